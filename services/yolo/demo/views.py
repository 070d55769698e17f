"""Views of a part: outline, holes, hatching, centre lines."""

from dataclasses import dataclass

from PIL import Image, ImageDraw

from services.yolo.demo.sheet import Box, Point, Sheet
from services.yolo.demo.symbols import arc


@dataclass(frozen=True)
class View:
    """A drawn view: its box, and places that dimensions and frames may point at.

    Attributes:
        box: outline.
        holes: centre and radius of each hole.
        steps_x: x of the part's edges, ascending, first and last the outline's.
        steps_y: the same for y.
    """

    box: Box
    holes: tuple[tuple[Point, float], ...]
    steps_x: tuple[float, ...]
    steps_y: tuple[float, ...]


def plate(sheet: Sheet, box: Box) -> View:
    """A flat part seen from above: chamfered or rounded corners and holes."""
    rng = sheet.rng
    x0, y0, x1, y1 = box
    corner = rng.choice((0.0, 0.0, rng.uniform(0.05, 0.2))) * min(x1 - x0, y1 - y0)
    outline = _cornered(box, corner, rounded=rng.random() < 0.5)
    sheet.line([*outline, outline[0]], sheet.style.thick_px)
    columns, rows = rng.choice(((1, 1), (2, 1), (2, 2), (3, 2), (1, 2), (0, 0)))
    radius = rng.uniform(0.05, 0.14) * min(x1 - x0, y1 - y0)
    inset = max(1.6 * radius, corner)
    holes = []
    for i in range(columns):
        for j in range(rows):
            x = (
                (x0 + x1) / 2
                if columns == 1
                else x0 + inset + i * (x1 - x0 - 2 * inset) / (columns - 1)
            )
            y = (y0 + y1) / 2 if rows == 1 else y0 + inset + j * (y1 - y0 - 2 * inset) / (rows - 1)
            _hole(sheet, (x, y), radius)
            holes.append(((x, y), radius))
    if rng.random() < 0.4:
        sheet.rectangle(
            (
                x0 + 0.3 * (x1 - x0),
                y0 + 0.35 * (y1 - y0),
                x0 + 0.7 * (x1 - x0),
                y0 + 0.65 * (y1 - y0),
            )
        )
    xs = (x0, *sorted({round(hole[0][0], 1) for hole in holes}), x1)
    ys = (y0, *sorted({round(hole[0][1], 1) for hole in holes}), y1)
    return _labelled(sheet, View(box, tuple(holes), xs, ys))


def disc(sheet: Sheet, box: Box) -> View:
    """A round part seen along its axis."""
    rng = sheet.rng
    center = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    radius = min(box[2] - box[0], box[3] - box[1]) / 2
    sheet.circle(center, radius, sheet.style.thick_px)
    inner = radius * rng.uniform(0.2, 0.6)
    sheet.circle(center, inner, sheet.style.thick_px)
    if rng.random() < 0.5:
        sheet.circle(center, radius * 0.93)
    holes: list[tuple[Point, float]] = [(center, inner)]
    count = rng.choice((0, 3, 4, 6, 8))
    pitch, small = (radius + inner) / 2, (radius - inner) * rng.uniform(0.12, 0.25)
    for point in arc(center, pitch, 0, 360)[: 24 : 24 // count] if count else ():
        _hole(sheet, point, small)
        holes.append((point, small))
    _cross(sheet, center, radius * 1.12)
    square = (center[0] - radius, center[1] - radius, center[0] + radius, center[1] + radius)
    return _labelled(
        sheet, View(square, tuple(holes), (square[0], square[2]), (square[1], square[3]))
    )


def turned(sheet: Sheet, box: Box) -> View:
    """A turned part seen from the side: steps about an axis, sometimes cut open and hatched."""
    rng = sheet.rng
    x0, y0, x1, y1 = box
    middle, half = (y0 + y1) / 2, (y1 - y0) / 2
    count = rng.randint(1, 4)
    edges = sorted(
        rng.uniform(x0 + 0.12 * (x1 - x0), x1 - 0.12 * (x1 - x0)) for _ in range(count - 1)
    )
    xs = [x0, *edges, x1]
    halves = [half * rng.uniform(0.45, 1.0) for _ in range(count)]
    halves[rng.randrange(count)] = half
    cut = rng.random() < 0.35
    if cut:
        _hatch(
            sheet,
            [(xs[i], middle - halves[i], xs[i + 1], middle + halves[i]) for i in range(count)],
        )
    for index, size in enumerate(halves):
        sheet.rectangle(
            (xs[index], middle - size, xs[index + 1], middle + size), sheet.style.thick_px
        )
    if cut:
        bore = min(halves) * rng.uniform(0.3, 0.6)
        sheet.pen.rectangle((x0 + 1, middle - bore, x1 - 1, middle + bore), fill=255)
        sheet.line([(x0, middle - bore), (x1, middle - bore)], sheet.style.thick_px)
        sheet.line([(x0, middle + bore), (x1, middle + bore)], sheet.style.thick_px)
    elif rng.random() < 0.3:
        for y in (middle - min(halves) * 0.4, middle + min(halves) * 0.4):
            sheet.dashed((x0, y), (x1, y), (6, 4))
    sheet.dashed((x0 - 8, middle), (x1 + 8, middle), (14, 3, 3, 3))
    return _labelled(sheet, View(box, (), tuple(xs), (y0, y1)))


def block(sheet: Sheet, box: Box) -> View:
    """A prismatic part seen from the side: a stepped outline with inner edges."""
    rng = sheet.rng
    x0, y0, x1, y1 = box
    step_x, step_y = (
        x0 + rng.uniform(0.25, 0.75) * (x1 - x0),
        y0 + rng.uniform(0.2, 0.7) * (y1 - y0),
    )
    shape = rng.choice(("L", "T", "box"))
    if shape == "L":
        outline = [(x0, y0), (step_x, y0), (step_x, step_y), (x1, step_y), (x1, y1), (x0, y1)]
    elif shape == "T":
        inner = 0.25 * (x1 - x0)
        outline = [
            (x0, y0),
            (x1, y0),
            (x1, step_y),
            (x1 - inner, step_y),
            (x1 - inner, y1),
            (x0 + inner, y1),
            (x0 + inner, step_y),
            (x0, step_y),
        ]
    else:
        outline = _cornered(box, 0.04 * min(x1 - x0, y1 - y0), rounded=False)
        sheet.line([(x0, step_y), (x1, step_y)], sheet.style.thick_px)
    sheet.line([*outline, outline[0]], sheet.style.thick_px)
    for _ in range(rng.randint(0, 2)):
        x = rng.uniform(x0 + 0.1 * (x1 - x0), x0 + 0.3 * (x1 - x0))
        sheet.dashed((x, step_y), (x, y1), (6, 4))
    return _labelled(sheet, View(box, (), (x0, step_x, x1), (y0, step_y, y1)))


def pictorial(sheet: Sheet, box: Box) -> View:
    """A shaded-free three-dimensional picture: a cylinder or a box seen from a corner."""
    rng = sheet.rng
    x0, y0, x1, y1 = box
    if rng.random() < 0.5:
        depth = 0.25 * (y1 - y0)
        pen, width = sheet.pen, sheet.style.thick_px
        pen.ellipse((x0, y0, x1, y0 + depth), outline=0, width=width)
        pen.arc((x0, y1 - depth, x1, y1), 0, 180, fill=0, width=width)
        pen.ellipse(
            (x0 + 0.25 * (x1 - x0), y0 + depth * 0.25, x1 - 0.25 * (x1 - x0), y0 + depth * 0.75),
            outline=0,
        )
        sheet.line([(x0, y0 + depth / 2), (x0, y1 - depth / 2)], width)
        sheet.line([(x1, y0 + depth / 2), (x1, y1 - depth / 2)], width)
    else:
        xm, h = x0 + rng.uniform(0.35, 0.65) * (x1 - x0), 0.25 * (y1 - y0)
        top = [(x0, y0 + h), (xm, y0), (x1, y0 + h), (x0 + x1 - xm, y0 + 2 * h), (x0, y0 + h)]
        bottom = [(x0, y1 - h), (x0 + x1 - xm, y1), (x1, y1 - h)]
        for stroke in (top, bottom, [top[0], bottom[0]], [top[3], bottom[1]], [top[2], bottom[2]]):
            sheet.line(list(stroke), sheet.style.thick_px)
    return _labelled(sheet, View(box, (), (x0, x1), (y0, y1)))


def _labelled(sheet: Sheet, view: View) -> View:
    sheet.label("view", view.box)
    return view


def _hole(sheet: Sheet, center: Point, radius: float) -> None:
    sheet.circle(center, radius, sheet.style.thick_px)
    if sheet.rng.random() < 0.3:
        sheet.circle(center, radius * 0.6)
    _cross(sheet, center, radius * 1.35)


def _cross(sheet: Sheet, center: Point, reach: float) -> None:
    x, y = center
    sheet.dashed((x - reach, y), (x + reach, y), (10, 3, 3, 3))
    sheet.dashed((x, y - reach), (x, y + reach), (10, 3, 3, 3))


def _cornered(box: Box, corner: float, *, rounded: bool) -> list[Point]:
    """A rectangle with its corners cut or rounded."""
    x0, y0, x1, y1 = box
    if corner < 1:
        return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    if rounded:
        centers = (
            (x1 - corner, y0 + corner, -90),
            (x1 - corner, y1 - corner, 0),
            (x0 + corner, y1 - corner, 90),
            (x0 + corner, y0 + corner, 180),
        )
        return [
            point
            for x, y, start in centers
            for point in arc((x, y), corner, start, start + 90)[::6]
        ]
    return [
        (x0 + corner, y0),
        (x1 - corner, y0),
        (x1, y0 + corner),
        (x1, y1 - corner),
        (x1 - corner, y1),
        (x0 + corner, y1),
        (x0, y1 - corner),
        (x0, y0 + corner),
    ]


def _hatch(sheet: Sheet, areas: list[Box]) -> None:
    """Lines at 45 degrees inside rectangles."""
    mask = Image.new("L", sheet.image.size, 0)
    pen = ImageDraw.Draw(mask)
    pitch = sheet.rng.uniform(6, 12)
    x0, y0 = min(a[0] for a in areas), min(a[1] for a in areas)
    x1, y1 = max(a[2] for a in areas), max(a[3] for a in areas)
    at = x0 - (y1 - y0)
    while at < x1:
        pen.line([(at, y1), (at + y1 - y0, y0)], 255, 1)
        at += pitch
    for area in areas:
        corner = (round(area[0]), round(area[1]), round(area[2]), round(area[3]))
        sheet.image.paste(0, corner, mask.crop(corner))
