"""Dimensions with their lines, arrows and text."""

from math import cos, radians, sin

from services.yolo.demo.sheet import Box, Point, Sheet, union

_FITS = ("H7", "H8", "g6", "h6", "k6", "p6", "JS9", "H12")


def dimension_text(sheet: Sheet, value: float, prefix: str = "") -> str:
    """The text of a dimension: value with count, fit or tolerance as drawings have them."""
    rng, style = sheet.rng, sheet.style
    text = prefix + style.number(value, rng.choice((0, 0, 1, 2)))
    kind = rng.random()
    if kind < 0.12:
        text += (
            f" {rng.choice(_FITS)}"
            if prefix
            else f" ±{style.number(rng.choice((0.05, 0.1, 0.2)), 2)}"
        )
    elif kind < 0.22:
        text += f"±{style.number(rng.choice((0.01, 0.02, 0.05, 0.1, 0.5)), 2)}"
    elif kind < 0.28:
        text = f"({text})"
    elif kind < 0.36 and prefix:
        text = f"{rng.randint(2, 8)}{rng.choice(('×', 'x', '-'))}{text}"
    return text


def horizontal(sheet: Sheet, x0: float, x1: float, y_part: float, y_line: float) -> bool:
    """A dimension between two x of the part, its line at `y_line`. False if there is no room."""
    style, rng = sheet.style, sheet.rng
    text = dimension_text(sheet, x1 - x0, rng.choice(("", "", "", "⌀")))
    width, height = sheet.text_size(text, style.text_px)
    middle, outside = (x0 + x1) / 2, width + 2 * style.arrow_px + 4 > x1 - x0
    left = x1 + style.arrow_px * 1.8 if outside and width > x1 - x0 else middle - width / 2
    over = style.text_over_line or outside
    top = y_line - height - 2 if over else y_line - height / 2
    box = (left, top, left + width, top + height)
    if not sheet.is_free(box, 2):
        return False
    overshoot = style.text_px * 0.3 * (1 if y_line > y_part else -1)
    for x in (x0, x1):
        sheet.line([(x, y_part + overshoot / 3), (x, y_line + overshoot)])
    if outside:
        sheet.arrow((x0 - 2.2 * style.arrow_px, y_line), (x0, y_line))
        sheet.arrow(
            (max(x1 + 2.2 * style.arrow_px, left + width if left > x1 else 0), y_line), (x1, y_line)
        )
        sheet.line([(x0, y_line), (x1, y_line)])
    else:
        gap = 0.0 if over else width / 2 + 3
        sheet.arrow((middle - gap, y_line), (x0, y_line))
        sheet.arrow((middle + gap, y_line), (x1, y_line))
    _write(sheet, (left, top), text)
    return True


def vertical(sheet: Sheet, y0: float, y1: float, x_part: float, x_line: float) -> bool:
    """A dimension between two y of the part, its line at `x_line`, text read from the right."""
    style, rng = sheet.style, sheet.rng
    text = dimension_text(sheet, y1 - y0, rng.choice(("", "", "", "⌀")))
    height, width = sheet.text_size(text, style.text_px)
    middle, outside = (y0 + y1) / 2, height + 2 * style.arrow_px + 4 > y1 - y0
    top = (
        y0 - style.arrow_px * 1.8 - height if outside and height > y1 - y0 else middle - height / 2
    )
    over = style.text_over_line or outside
    left = x_line - width - 2 if over else x_line - width / 2
    box = (left, top, left + width, top + height)
    if not sheet.is_free(box, 2):
        return False
    overshoot = style.text_px * 0.3 * (1 if x_line > x_part else -1)
    for y in (y0, y1):
        sheet.line([(x_part + overshoot / 3, y), (x_line + overshoot, y)])
    if outside:
        sheet.arrow((x_line, min(y0 - 2.2 * style.arrow_px, top if top < y0 else y0)), (x_line, y0))
        sheet.arrow((x_line, y1 + 2.2 * style.arrow_px), (x_line, y1))
        sheet.line([(x_line, y0), (x_line, y1)])
    else:
        gap = 0.0 if over else height / 2 + 3
        sheet.arrow((x_line, middle - gap), (x_line, y0))
        sheet.arrow((x_line, middle + gap), (x_line, y1))
    _write(sheet, (left, top), text, angle_deg=90)
    return True


def radial(sheet: Sheet, target: Point, at: Point, value: float) -> Box | None:
    """A diameter, radius, thread or chamfer on a leader with a shoulder; `at` is its corner."""
    style, rng = sheet.style, sheet.rng
    prefix = rng.choice(("⌀", "⌀", "R", "M", "C", "SR"))
    text = dimension_text(sheet, value, prefix)
    if prefix == "M":
        text = f"{rng.randint(2, 6)}-M{rng.randint(3, 20)}" + rng.choice(
            ("", "×1.25", " THRU", " 깊이 12")
        )
    width, height = sheet.text_size(text, style.text_px)
    if not sheet.is_free((at[0], at[1], at[0] + width, at[1] + height), 2):
        return None
    shoulder = (at[0] if target[0] < at[0] else at[0] + width, at[1] + height + 2)
    sheet.line([(at[0], shoulder[1]), (at[0] + width, shoulder[1])])
    sheet.arrow(shoulder, target)
    return _write(sheet, at, text)


def angular(sheet: Sheet, at: Point) -> Box | None:
    """An angle's text on its own, some in the box of a theoretically exact dimension."""
    style, rng = sheet.style, sheet.rng
    text = rng.choice(
        (f"{rng.randint(5, 120)}°", f"{rng.randint(1, 5)}×45°", "45°", f"{rng.randint(10, 80)}°30'")
    )
    width, height = sheet.text_size(text, style.text_px)
    if not sheet.is_free((at[0], at[1], at[0] + width, at[1] + height), 3):
        return None
    return _write(sheet, at, text)


def tilted(sheet: Sheet, target: Point, length: float, value: float) -> Box | None:
    """A diameter or radius written along a slanted line that points at `target`."""
    style, rng = sheet.style, sheet.rng
    angle_deg = rng.choice((-1, 1)) * rng.randint(15, 75)
    ux, uy = cos(radians(angle_deg)), -sin(radians(angle_deg))  # along the text, on screen
    away = 1 if angle_deg > 0 else -1  # towards the upper half of the sheet
    text = dimension_text(sheet, value, rng.choice(("⌀", "R")))
    width, height = sheet.text_size(text, style.text_px)
    start = (target[0] + away * ux * length, target[1] + away * uy * length)
    middle_length = length + width / 2
    middle = (
        target[0] + away * ux * middle_length + uy * height * 0.65,
        target[1] + away * uy * middle_length - ux * height * 0.65,
    )
    across = (abs(ux) * width + abs(uy) * height, abs(uy) * width + abs(ux) * height)
    corner = (middle[0] - across[0] / 2, middle[1] - across[1] / 2)
    if not sheet.is_free((*corner, corner[0] + across[0], corner[1] + across[1]), 2):
        return None
    sheet.line([start, (start[0] + away * ux * width, start[1] + away * uy * width)])
    sheet.arrow(start, target)
    margin = (int(style.text_px / 2) + 2) * (abs(ux) + abs(uy)) - (int(style.text_px / 2) + 2)
    box = sheet.text(
        (corner[0] - margin, corner[1] - margin), text, angle_deg=angle_deg, ink=style.thin_ink
    )
    sheet.label("dimension", box, text)
    return box


def _write(sheet: Sheet, at: Point, text: str, *, angle_deg: int = 0) -> Box:
    """The text, some with a second line or stacked limits, some boxed; labelled."""
    rng, style = sheet.rng, sheet.style
    ink = style.thin_ink
    box = sheet.text(at, text, angle_deg=angle_deg, ink=ink)
    kind, said = rng.random(), text
    if kind < 0.1 and not angle_deg:
        small = max(6.0, style.text_px * 0.65)
        upper = f"+{style.number(rng.uniform(0.01, 0.2), 2)}"
        lower = rng.choice(("0", f"-{style.number(0.1, 2)}"))
        area = (box[2] + 2, at[1] - small, box[2] + 4 * small, at[1] + 1.6 * small)
        if sheet.is_free(area, 1):
            first = sheet.text((box[2] + 3, at[1] - 0.35 * small), upper, small, ink=ink)
            second = sheet.text((box[2] + 3, at[1] + 0.75 * small), lower, small, ink=ink)
            box, said = union(box, first, second), f"{text} {upper} {lower}"
    elif kind < 0.17:
        box = (box[0] - 3, box[1] - 3, box[2] + 3, box[3] + 3)
        sheet.rectangle(box)
    elif kind < 0.25:  # the upper limit above the lower one
        back = 1.1 * style.text_px
        above = (at[0] - back, at[1]) if angle_deg else (at[0], at[1] - back)
        size = (box[2] - box[0], box[3] - box[1])
        if sheet.is_free((*above, above[0] + size[0], above[1] + size[1]), 1):
            box = union(box, sheet.text(above, text, angle_deg=angle_deg, ink=ink))
            said = f"{text} {text}"
    sheet.label("dimension", box, said)
    return box
