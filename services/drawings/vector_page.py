"""Read a page of a vector PDF: lines of text with the signs drawn among them, and boxed cells."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.drawings.cells import CellSize, find_rows, straight_lines, tables
from services.drawings.content import (
    FrameCells,
    PageContent,
    find_border,
    find_frames,
    lone_cells,
)
from services.drawings.frame_shapes import frame_shapes
from services.drawings.geometry import (
    Box,
    FloatArray,
    Point,
    TurnedBox,
    slant_deg,
    turned,
    turned_back,
)
from services.drawings.lines import Glyph, TextLine, join_glyphs
from services.drawings.signs import FRAME_SIGNS, is_sign, match_sign
from services.drawings.vector_signs import with_signs
from services.drawings.vectors import Stroke, VectorPage, box_of, middle_of

SLANT_STEP_DEG = 2.0  # letters within it have one direction
MOST_SLANTS = 12  # directions in which frames and boxes are looked for
NEAR = 6.0  # how far from slanting letters lines may matter, in font sizes


def read_page(page: VectorPage, number: int, dpi: int) -> PageContent:
    """Bring text, signs and cells of a page together.

    Args:
        page: the page.
        number: of the page, from 1.
        dpi: pixels per inch that its coordinates are in.
    """
    letters = with_signs(page)
    border = find_border(page.level, page.upright, page.width, page.height)
    groups = _by_slant(letters)
    parts = [_read_straight(page, groups.pop(0, []), border)]
    for slanting in sorted(groups.values(), key=len, reverse=True)[:MOST_SLANTS]:
        parts.append(_read_slanting(page, slanting))
        slanting.clear()
    rest = [letter for slanting in groups.values() for letter in slanting]
    return PageContent(
        number, page.width, page.height, dpi,
        lines=(*(line for part in parts for line in part.lines), *join_glyphs(rest)),
        frames=tuple(frame for part in parts for frame in part.frames),
        boxed=tuple(box for part in parts for box in part.boxed),
        tables=tuple(parts[0].tables),
        border=border,
    )  # fmt: skip


@dataclass(frozen=True)
class _Part:
    """What letters of one direction, and the lines around them, show."""

    lines: Sequence[TextLine]
    frames: Sequence[FrameCells]
    boxed: Sequence[TurnedBox]
    tables: Sequence[Box] = ()


def _by_slant(letters: Sequence[Glyph]) -> dict[int, list[Glyph]]:
    """Letters by direction, in steps; level and upright ones are the first group, 0."""
    groups: dict[int, list[Glyph]] = defaultdict(list)
    for letter in letters:
        step = round(letter.angle_deg % 360 / SLANT_STEP_DEG)
        is_straight = slant_deg(letter.angle_deg) < SLANT_STEP_DEG / 2
        groups[0 if is_straight else step].append(letter)
    return groups


def _read_slanting(page: VectorPage, letters: Sequence[Glyph]) -> _Part:
    """Read letters of one slanting direction, and the lines near them, as if they were level."""
    angle_deg = float(np.median([each.angle_deg for each in letters]))
    level = [
        replace(each, origin=_point(turned(np.array(each.origin), angle_deg)), angle_deg=0.0)
        for each in letters
    ]
    near = _near(page.strokes, letters)
    strokes = tuple(
        Stroke(points, box_of(points), each.path, each.number)
        for each in near
        for points in [turned(each.points, angle_deg)]
    )
    starts = np.concatenate([np.zeros((0, 2)), *(each.points[:-1] for each in strokes)])
    ends = np.concatenate([np.zeros((0, 2)), *(each.points[1:] for each in strokes)])
    tolerance = 0.06 * min(each.size for each in letters)
    lines = straight_lines(starts, ends, tolerance)
    part = _read_straight(
        VectorPage(page.width, page.height, tuple(level), strokes, *lines), level, None
    )
    return _Part(
        [
            replace(
                line, corner=_point(turned_back(np.array(line.corner), angle_deg)),
                angle_deg=line.angle_deg + angle_deg,
            )
            for line in part.lines
        ],
        [
            replace(
                frame, box=TurnedBox(frame.box, angle_deg).around,
                angle_deg=frame.angle_deg + angle_deg,
            )
            for frame in part.frames
        ],
        [TurnedBox(each.box, angle_deg) for each in part.boxed],
    )  # fmt: skip


def _near(strokes: Sequence[Stroke], letters: Sequence[Glyph]) -> list[Stroke]:
    """Strokes that may be a sign or a side of a cell beside one of the letters."""
    places = np.array([middle_of(each) for each in letters])
    reach = NEAR * max(each.size for each in letters)
    found = []
    for stroke in strokes:
        box = stroke.box.grown(reach)
        low, high = np.array([box.x1, box.y1]), np.array([box.x2, box.y2])
        if ((places >= low) & (places <= high)).all(axis=1).any():
            found.append(stroke)
    return found


def _point(pair: FloatArray) -> Point:
    return float(pair[0]), float(pair[1])


def _read_straight(page: VectorPage, letters: Sequence[Glyph], border: Box | None) -> _Part:
    height = page.letter_height
    size = CellSize(1.1 * height, 5.0 * height, 0.15 * height)
    rows = find_rows(page.level, page.upright, size) if height else []
    if border is not None:
        rows = [row for row in rows if border.holds(row.box.centre)]
    homes = _homes(letters, [cell for row in rows for cell in row.cells])

    def sign_in(cell: Box, is_upright: bool) -> str | None:  # noqa: FBT001
        return _sign_in(page, homes.get(cell, []), cell, is_upright=is_upright)

    def text_in(cell: Box, is_upright: bool) -> tuple[str, float]:  # noqa: FBT001
        return _text_of(homes.get(cell, []), is_upright=is_upright), 1.0

    frames, used = find_frames(frame_shapes(rows, page.level, page.upright, size), sign_in, text_in)
    consumed = {cell for row in used for cell in row.cells}
    lines = [
        line for cell, members in homes.items() if cell not in consumed
        for line in join_glyphs(members)
    ]  # fmt: skip
    grid = [row for row in rows if row not in used]
    found = tables(grid, page.level, page.upright, 0.3 * height)
    return _Part(lines, frames, lone_cells(grid), found)


def _homes(letters: Sequence[Glyph], cells: Sequence[Box]) -> dict[Box | None, list[Glyph]]:
    """The letters by the smallest cell that each lies in; None for those in no cell."""
    homes: dict[Box | None, list[Glyph]] = defaultdict(list)
    by_size = sorted(set(cells), key=lambda each: each.width * each.height)
    corners = np.array([[each.x1, each.y1, each.x2, each.y2] for each in by_size]).reshape(-1, 4)
    for letter in letters:
        x, y = middle_of(letter)
        inside = np.flatnonzero(
            (corners[:, 0] <= x) & (corners[:, 1] <= y)
            & (x <= corners[:, 2]) & (y <= corners[:, 3])
        )  # fmt: skip
        homes[by_size[int(inside[0])] if len(inside) else None].append(letter)
    return homes


def _text_of(letters: Sequence[Glyph], *, is_upright: bool) -> str:
    """Text of a cell, its lines in reading order."""
    angle_deg = 0.0 if is_upright else -90.0
    lines = join_glyphs(letters)
    placed = sorted(
        (line.box_in(angle_deg).y1, line.box_in(angle_deg).x1, line.text) for line in lines
    )
    return " ".join(text for _, _, text in placed)


def _sign_in(
    page: VectorPage, letters: Sequence[Glyph], cell: Box, *, is_upright: bool
) -> str | None:
    """The characteristic drawn or written in a cell; None if there is none that is known."""
    text = _text_of(letters, is_upright=is_upright).strip()
    if text:
        return text if is_sign(text) else None
    inner = cell.grown(-0.04 * min(cell.width, cell.height))
    shape = [
        each.points for each in page.strokes
        if inner.holds((each.box.x1, each.box.y1)) and inner.holds((each.box.x2, each.box.y2))
    ]  # fmt: skip
    if not shape:
        return None
    angle_deg = 0.0 if is_upright else -90.0
    match = match_sign([turned(each, angle_deg) for each in shape], FRAME_SIGNS)
    return match.character if match else None
