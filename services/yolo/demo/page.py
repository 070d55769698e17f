"""Composes a whole drawing: border, title block, views, and what is said about them.

The same seed gives the same drawing on the same fonts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from PIL import Image

from services.yolo.demo import blocks, dimensions, symbols, views
from services.yolo.demo.sheet import Box, Label, Point, Sheet, random_style
from services.yolo.demo.title_block import title_block
from services.yolo.demo.views import View

_TEXT_PX = (11, 20)  # type size on the sheet, smallest and largest
_SIDES = (840, 1480)  # long side of the sheet in pixels


@dataclass(frozen=True)
class Page:
    """A finished drawing.

    Attributes:
        image: grey levels, ink 0 on paper 255.
        labels: everything of a class, boxes in pixels.
    """

    image: Image.Image
    labels: tuple[Label, ...]


def draw_page(seed: str) -> Page:
    """The drawing of a seed."""
    rng = Random(seed)
    long_px = rng.randint(*_SIDES)
    short_px = round(long_px / 2**0.5)
    landscape = rng.random() < 0.6
    size = (long_px, short_px) if landscape else (short_px, long_px)
    largest = min(_TEXT_PX[1], long_px // 58)
    sheet = Sheet(
        Image.new("L", size, 255),
        random_style(rng, rng.randint(_TEXT_PX[0], max(12, largest))),
        rng,
    )
    inside = _border(sheet)
    floor = _title(sheet, inside)
    if rng.random() < 0.5:
        _place_table(sheet, inside, floor)
    if rng.random() < 0.55:
        _try_places(sheet, inside, lambda at: blocks.notes(sheet, at), tries=12)
    if rng.random() < 0.5:
        corner = (inside[2] - 8 * sheet.style.text_px, inside[1] + 4 * sheet.style.text_px)
        symbols.surface_texture(sheet, corner, scale=rng.uniform(1.0, 2.2))
    placed = _place_views(sheet, (inside[0], inside[1], inside[2], floor))
    for view in placed:
        _annotate(sheet, view)
    _balloons(sheet, placed)
    for _ in range(rng.randint(1, 5)):
        _try_places(sheet, inside, lambda at: _stray(sheet, at), tries=6)
    return Page(sheet.image, tuple(sheet.labels))


def _border(sheet: Sheet) -> Box:
    """Frame of the sheet with its zone letters; returns the area inside."""
    rng, (width, height) = sheet.rng, sheet.image.size
    margin = rng.uniform(0.015, 0.05) * width
    box = (margin, margin, width - margin, height - margin)
    sheet.rectangle(box, sheet.style.thick_px)
    if rng.random() < 0.4:
        _centring_marks(sheet, box)
    if rng.random() < 0.5:
        return box
    band = sheet.style.text_px * 1.3
    inner = (box[0] + band, box[1] + band, box[2] - band, box[3] - band)
    sheet.rectangle(inner, sheet.style.thick_px)
    columns, rows = rng.randint(3, 8), rng.randint(3, 6)
    for i in range(columns):
        x = box[0] + (i + 0.5) * (box[2] - box[0]) / columns
        for y in (box[1], inner[3]):
            sheet.text((x, y + 0.15 * band), str(columns - i), band * 0.7)
            sheet.line(
                [
                    (x + (box[2] - box[0]) / columns / 2, y),
                    (x + (box[2] - box[0]) / columns / 2, y + band),
                ]
            )
    for j in range(rows):
        y = box[1] + (j + 0.5) * (box[3] - box[1]) / rows
        for x in (box[0], inner[2]):
            sheet.text((x + 0.2 * band, y), "ABCDEF"[rows - 1 - j], band * 0.7)
    return inner


def _centring_marks(sheet: Sheet, box: Box) -> None:
    """Strokes at the middles of the sides, from the frame inwards (ISO 5457)."""
    (x0, y0, x1, y1), reach = box, sheet.style.text_px * sheet.rng.uniform(1, 3)
    x, y, width_px = (x0 + x1) / 2, (y0 + y1) / 2, sheet.style.thick_px
    for mark in (
        [(x, y0), (x, y0 + reach)],
        [(x, y1 - reach), (x, y1)],
        [(x0, y), (x0 + reach, y)],
        [(x1 - reach, y), (x1, y)],
    ):
        sheet.line(mark, width_px)


def _title(sheet: Sheet, inside: Box) -> float:
    """Title block at the bottom, part of the width or all; returns where the views' area ends."""
    rng = sheet.rng
    width, height = inside[2] - inside[0], inside[3] - inside[1]
    part = 1.0 if rng.random() < 0.25 else rng.uniform(0.35, 0.75)
    tall = rng.uniform(0.07, 0.22 if height > width else 0.25) * height
    box = (inside[2] - part * width, inside[3] - tall, inside[2], inside[3])
    if rng.random() < 0.06:
        return inside[3]
    title_block(sheet, box)
    return box[1] - 6 if part > 0.55 else inside[3] - 4


def _place_table(sheet: Sheet, inside: Box, floor: float) -> None:
    rng = sheet.rng
    max_width = (inside[2] - inside[0]) * rng.uniform(0.3, 0.5)
    corners = (
        (inside[0] + 3, inside[1] + 3),
        (inside[2] - max_width, inside[1] + 3),
        (inside[2] - max_width, floor - rng.uniform(80, 200)),
        (inside[0] + 6, floor - rng.uniform(100, 200)),
    )
    blocks.table(sheet, rng.choice(corners), max_width)


def _place_views(sheet: Sheet, area: Box) -> list[View]:
    """Views in the cells of a coarse grid, with room around each for its dimensions."""
    rng = sheet.rng
    width, height = area[2] - area[0], area[3] - area[1]
    columns, rows = (
        max(1, round(width / rng.uniform(300, 480))),
        max(1, round(height / rng.uniform(280, 420))),
    )
    placed = []
    for i in range(columns):
        for j in range(rows):
            if rng.random() < 0.12:
                continue
            cell = (width / columns, height / rows)
            w, h = cell[0] * rng.uniform(0.3, 0.55), cell[1] * rng.uniform(0.25, 0.5)
            x = area[0] + (i + 0.5) * cell[0] - w / 2 + rng.uniform(-0.08, 0.08) * cell[0]
            y = area[1] + (j + 0.5) * cell[1] - h / 2 + rng.uniform(-0.08, 0.08) * cell[1]
            box = (x, y, x + w, y + h)
            if sheet.is_free(box, 2.2 * sheet.style.text_px):
                shape = rng.choices(
                    (views.plate, views.disc, views.turned, views.block, views.pictorial),
                    (4, 3, 4, 4, 1),
                )[0]
                placed.append(shape(sheet, box))
    return placed


def _annotate(sheet: Sheet, view: View) -> None:
    """Dimensions, frames, datums and marks about one view."""
    rng, text = sheet.rng, sheet.style.text_px
    x0, y0, x1, y1 = view.box
    if rng.random() < 0.35:
        _section(sheet, view)
    _dimension_chains(sheet, view)
    for center, radius in rng.sample(view.holes, min(len(view.holes), rng.randint(0, 2))):
        target = (center[0] + 0.7 * radius, center[1] - 0.7 * radius)
        at = (x1 + rng.uniform(0.5, 4) * text, y0 + rng.uniform(-3, 1) * text)
        if rng.random() < 0.4:
            reach = rng.uniform(2, 6) * text + radius
            dimensions.tilted(sheet, target, reach, 2 * radius)
        else:
            dimensions.radial(sheet, target, at, 2 * radius)
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        _frame_near(sheet, view)
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        x, y = (
            rng.uniform(x0 + 0.1 * (x1 - x0), x1 - 0.1 * (x1 - x0)),
            rng.uniform(y0 + 0.1 * (y1 - y0), y1 - 0.1 * (y1 - y0)),
        )
        at, direction = rng.choice(
            (((x, y0), (0, -1)), ((x, y1), (0, 1)), ((x0, y), (-1, 0)), ((x1, y), (1, 0)))
        )
        symbols.datum(sheet, at, direction)
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        symbols.surface_texture(sheet, (rng.uniform(x0, x1), y0 - rng.choice((0, 0, 1)) * text))
    if rng.random() < 0.3:
        caption = rng.choice(
            ("A-A", "B (2:1)", "SECTION A-A", "단면 A-A", "DETAIL B", "상세도 C", "ISO VIEW")
        )
        size = text * rng.uniform(0.9, 1.3)
        width, _ = sheet.text_size(caption, size)
        box = (
            (x0 + x1 - width) / 2,
            y1 + 3.2 * text,
            (x0 + x1 + width) / 2,
            y1 + 3.2 * text + size,
        )
        if sheet.is_free(box):
            sheet.taken.append(sheet.text((box[0], box[1]), caption, size))


def _dimension_chains(sheet: Sheet, view: View) -> None:
    """Overall and step dimensions on some sides of the view."""
    rng, pitch = sheet.rng, sheet.style.text_px * sheet.rng.uniform(1.6, 2.6)
    x0, y0, x1, y1 = view.box
    for part, outwards in ((y0, -1), (y1, 1)):
        if rng.random() < 0.6:
            level = 1
            if len(view.steps_x) > 2 and rng.random() < 0.6:
                for a, b in zip(view.steps_x, view.steps_x[1:], strict=False):
                    dimensions.horizontal(sheet, a, b, part, part + outwards * pitch)
                level = 2
            dimensions.horizontal(sheet, x0, x1, part, part + outwards * level * pitch)
    for part, outwards in ((x0, -1), (x1, 1)):
        if rng.random() < 0.5:
            level = 1
            if len(view.steps_y) > 2 and rng.random() < 0.5:
                dimensions.vertical(
                    sheet, view.steps_y[0], view.steps_y[1], part, part + outwards * pitch
                )
                level = 2
            dimensions.vertical(sheet, y0, y1, part, part + outwards * level * pitch)


def _frame_near(sheet: Sheet, view: View) -> None:
    """A feature control frame beside the view, with its leader; half of them under a dimension."""
    rng, text = sheet.rng, sheet.style.text_px
    x0, y0, x1, y1 = view.box
    for _ in range(6):
        target = (rng.uniform(x0, x1), rng.choice((y0, y1)))
        above = target[1] == y0
        at = (
            target[0] + rng.uniform(-6, 4) * text,
            target[1] + (rng.uniform(-6, -2) if above else rng.uniform(2, 5)) * text,
        )
        if rng.random() < 0.3:
            target, at = (
                (x1, rng.uniform(y0, y1)),
                (x1 + rng.uniform(1.5, 5) * text, rng.uniform(y0, y1)),
            )
        box = symbols.feature_control_frame(sheet, at)
        if box is not None:
            start = (
                (box[0], (box[1] + box[3]) / 2)
                if rng.random() < 0.6
                else (box[0] + 0.2 * (box[2] - box[0]), box[3] if target[1] > box[3] else box[1])
            )
            symbols.leader(sheet, start, target)
            if rng.random() < 0.35:
                dimensions.angular(sheet, (box[0], box[1] - 1.35 * text))
            return


def _section(sheet: Sheet, view: View) -> None:
    """A section line through the view with a mark at both ends."""
    rng, reach = sheet.rng, sheet.style.text_px * sheet.rng.uniform(0.8, 2)
    x0, y0, x1, y1 = view.box
    letter = rng.choice("ABCDE")
    if rng.random() < 0.6:
        x, side = rng.uniform(x0 + 0.3 * (x1 - x0), x1 - 0.3 * (x1 - x0)), rng.choice((-1, 1))
        sheet.dashed((x, y0 - reach), (x, y1 + reach), (16, 4, 4, 4))
        ends: tuple[Point, Point] = ((x, y0 - reach), (x, y1 + reach))
        direction = (side, 0)
    else:
        y, side = rng.uniform(y0 + 0.3 * (y1 - y0), y1 - 0.3 * (y1 - y0)), rng.choice((-1, 1))
        sheet.dashed((x0 - reach, y), (x1 + reach, y), (16, 4, 4, 4))
        ends, direction = ((x0 - reach, y), (x1 + reach, y)), (0, side)
    for end in ends:
        symbols.section_mark(sheet, end, direction, letter)


def _balloons(sheet: Sheet, placed: list[View]) -> None:
    """Item numbers around the views, as on assembly drawings."""
    rng = sheet.rng
    if not placed or rng.random() < 0.5:
        return
    for number in range(1, rng.randint(2, 9)):
        x0, y0, x1, y1 = rng.choice(placed).box
        away = rng.uniform(2.5, 6) * sheet.style.text_px
        at = rng.choice(
            (
                (x0 - away, rng.uniform(y0, y1)),
                (x1 + away, rng.uniform(y0, y1)),
                (rng.uniform(x0, x1), y0 - away),
                (rng.uniform(x0, x1), y1 + away),
            )
        )
        symbols.balloon(sheet, at, (rng.uniform(x0, x1), rng.uniform(y0, y1)), number)


def _stray(sheet: Sheet, at: Point) -> Box | None:
    """A thing on its own, so that no class depends on what stands beside it."""
    kinds: tuple[Callable[[], Box | None], ...] = (
        lambda: symbols.feature_control_frame(sheet, at),
        lambda: symbols.surface_texture(sheet, at),
        lambda: symbols.datum(sheet, at, (0, -1)),
        lambda: dimensions.angular(sheet, at),
        lambda: symbols.section_mark(sheet, at, (1, 0), "B"),
    )
    return sheet.rng.choice(kinds)()


def _try_places(sheet: Sheet, area: Box, draw: Callable[[Point], Box | None], tries: int) -> None:
    """Call `draw` with random corners until it finds room."""
    for _ in range(tries):
        at = (sheet.rng.uniform(area[0], area[2]), sheet.rng.uniform(area[1], area[3]))
        if draw(at) is not None:
            return
