"""The small signs of a drawing: each function draws one, labels it and returns its box."""

from math import cos, pi, sin

from services.yolo.demo.sheet import Box, Point, Sheet, draw_sign, union
from shared.gdt_signs import CHARACTERISTICS, Sign

_WITHOUT_DATUM = ("straightness", "flatness", "circularity", "cylindricity")
_CYLINDRICAL_ZONE = ("position", "concentricity", "straightness", "perpendicularity")


def frame_cells(sheet: Sheet, sign: Sign) -> list[str]:
    """The cells of a feature control frame after the sign's: value and datums."""
    rng, style = sheet.rng, sheet.style
    zone = "⌀" if sign.name in _CYLINDRICAL_ZONE and rng.random() < 0.6 else ""
    value = zone + (" " if zone and rng.random() < 0.3 else "")
    digits = rng.choice((1, 2, 2, 3))
    value += style.number(rng.choice((1, 2, 3, 4, 5, 8)) / 10**digits, digits)
    if rng.random() < 0.15:
        value += rng.choice((" CZ", "(M)", "(P)"))
    count = 0 if sign.name in _WITHOUT_DATUM else rng.choice((1, 1, 2, 3))
    datums = rng.sample("ABCDEFGH", count)
    if datums and rng.random() < 0.1:
        datums[0] = f"{datums[0]}-{rng.choice('XYZ')}"
    return [value, *datums]


def feature_control_frame(sheet: Sheet, at: Point, sign: Sign | None = None) -> Box | None:
    """A geometrical tolerance with its top left corner at `at`; None if there is no room."""
    rng, style = sheet.rng, sheet.style
    rows = [sign or rng.choice(CHARACTERISTICS)]
    if rng.random() < 0.12:
        rows.append(rng.choice(CHARACTERISTICS))
    height = style.text_px * rng.uniform(1.35, 2.1)
    pad = style.text_px * rng.uniform(0.25, 0.6)
    cells = [frame_cells(sheet, row) for row in rows]
    widths = [[sheet.text_size(cell, style.text_px)[0] + 2 * pad for cell in row] for row in cells]
    box = (at[0], at[1], at[0] + height + max(map(sum, widths)), at[1] + height * len(rows))
    if not sheet.is_free(box, 2):
        return None
    for index, row in enumerate(rows):
        top = at[1] + index * height
        side = style.text_px * 1.05
        corner = (at[0] + (height - side) / 2, top + (height - side) / 2, side)
        draw_sign(sheet.pen, row, corner, style.thin_px, 0)
        x = at[0] + height
        sheet.rectangle((at[0], top, x, top + height))
        for cell, width in zip(cells[index], widths[index], strict=True):
            sheet.rectangle((x, top, x + width, top + height))
            sheet.text((x + pad, top + (height - style.text_px) / 2), cell)
            x += width
    said = [" | ".join((row.character, *cell)) for row, cell in zip(rows, cells, strict=True)]
    sheet.label("feature_control_frame", box, " / ".join(said))
    return box


def datum(sheet: Sheet, at: Point, direction: tuple[int, int]) -> Box | None:
    """A datum triangle that stands on `at`, stem and letter in a direction such as (0, -1), up."""
    rng, style = sheet.rng, sheet.style
    side = style.text_px * rng.uniform(1.3, 1.8)
    base, stem = (
        style.text_px * rng.uniform(0.3, 0.5),
        style.text_px * rng.choice((0.4, rng.uniform(0.4, 2.2))),
    )
    dx, dy = direction
    foot = (at[0] + dx * base * 1.4, at[1] + dy * base * 1.4)
    end = (at[0] + dx * (stem + base), at[1] + dy * (stem + base))
    middle = (end[0] + dx * side / 2, end[1] + dy * side / 2)
    frame = (middle[0] - side / 2, middle[1] - side / 2, middle[0] + side / 2, middle[1] + side / 2)
    triangle = [
        (at[0] + dy * base, at[1] + dx * base),
        (at[0] - dy * base, at[1] - dx * base),
        foot,
    ]
    box = union(
        frame,
        (
            at[0] - abs(dy) * base,
            at[1] - abs(dx) * base,
            at[0] + abs(dy) * base,
            at[1] + abs(dx) * base,
        ),
    )
    if not sheet.is_free(frame, 2):
        return None
    sheet.pen.polygon(triangle, fill=0 if rng.random() < 0.75 else None, outline=0)
    sheet.line([foot, end])
    sheet.rectangle(frame)
    letter = rng.choice("ABCDEFGHK")
    width, _ = sheet.text_size(letter, style.text_px)
    sheet.text((middle[0] - width / 2, middle[1] - style.text_px / 2), letter)
    sheet.label("datum", box, letter)
    return box


def surface_texture(sheet: Sheet, at: Point, scale: float = 1.0) -> Box | None:
    """A surface-texture mark of ISO 1302 whose tip is at `at`; some in the older Korean ▽ style."""
    rng, style = sheet.rng, sheet.style
    size = style.text_px * rng.uniform(0.8, 1.2) * scale
    value = rng.choice(("Ra ", "Rz ", "", "Rmax ", "L Rz ")) + style.number(
        rng.choice((0.4, 0.8, 1.6, 3.2, 6.3, 12.5, 25)), 1
    )
    text_px = max(7.0, style.text_px * 0.85 * scale)
    width, _ = sheet.text_size(value, text_px)
    has_bar, x, y = rng.random() < 0.7, at[0], at[1]
    bar_end = x + 2.1 * size * 0.55 + (width + 4 if has_bar else 0)
    box = (
        x - 0.55 * size,
        y - 2.1 * size - (0 if has_bar else text_px / 2),
        max(bar_end, x + 1.2 * size),
        y,
    )
    if not sheet.is_free(box, 2):
        return None
    left, right, top = (
        (x - 0.55 * size, y - size),
        (x + 0.55 * size, y - size),
        (x + 1.15 * size, y - 2.1 * size),
    )
    sheet.line([left, (x, y), top])
    kind = rng.choice(("machined", "machined", "any", "unmachined"))
    if kind == "machined":
        sheet.line([left, right])
    elif kind == "unmachined":
        sheet.circle((x, y - 0.72 * size), 0.34 * size)
    if has_bar:
        sheet.line([top, (top[0] + width + 4, top[1])])
        ink = sheet.text((top[0] + 2, top[1] + 0.12 * text_px), value, text_px)
    else:
        ink = sheet.text((x - 0.4 * size, y - size - 1.05 * text_px), value, text_px)
    box = union(ink, (left[0], top[1], top[0] + (width + 4 if has_bar else 0), y))
    sheet.label("surface_texture", box, value)
    return box


def section_mark(sheet: Sheet, at: Point, direction: tuple[int, int], letter: str) -> Box | None:
    """One end of a section line: thick stroke at `at`, arrow in `direction`, letter."""
    rng, style = sheet.rng, sheet.style
    length, size = style.text_px * rng.uniform(1.2, 2.2), style.text_px * rng.uniform(1.0, 1.4)
    dx, dy = direction
    tip = (at[0] + dx * length, at[1] + dy * length)
    width, _ = sheet.text_size(letter, size)
    if dx:
        place = (at[0] + dx * length / 2 - width / 2, at[1] - size * 1.15)
        if rng.random() < 0.5:
            place = (at[0] - width - 4 if dx > 0 else at[0] + 4, at[1] - size / 2)
    else:
        place = (at[0] + 4, at[1] + dy * length / 2 - size / 2)
    text_box = (place[0], place[1], place[0] + width, place[1] + size)
    stroke = (
        min(at[0], tip[0]) - 3,
        min(at[1], tip[1]) - 3,
        max(at[0], tip[0]) + 3,
        max(at[1], tip[1]) + 3,
    )
    if not sheet.is_free(union(text_box, stroke), 1):
        return None
    sheet.arrow(at, tip)
    ends = (dy * style.text_px * 0.6, dx * style.text_px * 0.6)
    sheet.line(
        [(at[0] - ends[0], at[1] - ends[1]), (at[0] + ends[0], at[1] + ends[1])], style.thick_px + 1
    )
    box = union(sheet.text(place, letter, size), stroke)
    sheet.label("section_mark", box, letter)
    return box


def balloon(sheet: Sheet, at: Point, target: Point, number: int) -> Box | None:
    """An item number in a circle around `at`, with a leader to `target`."""
    rng, style = sheet.rng, sheet.style
    radius = style.text_px * rng.uniform(0.85, 1.25)
    box = (at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius)
    if not sheet.is_free(box, 2):
        return None
    distance = max(1.0, ((target[0] - at[0]) ** 2 + (target[1] - at[1]) ** 2) ** 0.5)
    start = (
        at[0] + (target[0] - at[0]) * radius / distance,
        at[1] + (target[1] - at[1]) * radius / distance,
    )
    if rng.random() < 0.6:
        sheet.arrow(start, target)
    else:
        sheet.line([start, target])
        sheet.pen.ellipse((target[0] - 2, target[1] - 2, target[0] + 2, target[1] + 2), fill=0)
    sheet.circle(at, radius)
    width, _ = sheet.text_size(str(number), style.text_px)
    sheet.text((at[0] - width / 2, at[1] - style.text_px / 2), str(number))
    sheet.label("balloon", box, str(number))
    return box


def leader(sheet: Sheet, start: Point, target: Point) -> None:
    """An arrow from a frame or text to what it speaks of, bent once or straight."""
    if sheet.rng.random() < 0.4:
        elbow = (target[0], start[1]) if sheet.rng.random() < 0.5 else (start[0], target[1])
        sheet.line([start, elbow])
        start = elbow if elbow != target else start
    sheet.arrow(start, target)


def arc(center: Point, radius_px: float, start_deg: float, end_deg: float) -> list[Point]:
    """Points of an arc, angles clockwise on screen."""
    count = 24
    angles = (pi / 180 * (start_deg + (end_deg - start_deg) * i / count) for i in range(count + 1))
    return [(center[0] + radius_px * cos(a), center[1] + radius_px * sin(a)) for a in angles]
