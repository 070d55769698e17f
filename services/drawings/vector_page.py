"""Read a page of a vector PDF: lines of text with the signs drawn among them, and boxed cells."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.drawings.cells import CellSize, find_rows, straight_lines, tables
from services.drawings.content import PageContent, find_border, find_frames, lone_cells
from services.drawings.frame_shapes import frame_shapes
from services.drawings.geometry import Box, FloatArray, around, turned, turned_back
from services.drawings.lines import Glyph, TextLine, join_glyphs
from services.drawings.signs import FRAME_SIGNS, SIGNS_IN_TEXT, is_sign, match_sign
from shared.gdt_signs import Sign
from shared.media.limits import PageVectors

REACH = 3.2  # how far beside a line signs are looked for, in heights of its letters
LARGEST_SIGN = 2.5  # extent of a sign, in heights of the letters beside it
SIGNS_IN_A_ROW = 3
CIRCLED = {letter: chr(0x24B6 + ord(letter) - ord("A")) for letter in "EFLMPRSTU"}
"""Letters that mean a modifier when a circle is drawn around them (ISO 1101, ISO 2692)."""


@dataclass(frozen=True, eq=False)
class Stroke:
    """A drawn polyline."""

    points: FloatArray  # (n, 2) px
    box: Box
    path: int  # number of the path object it belongs to
    number: int  # place in the page's list


@dataclass(frozen=True)
class VectorPage:
    """What a page says in text and lines, in pixels at the resolution asked for."""

    width: float
    height: float
    glyphs: tuple[Glyph, ...]
    strokes: tuple[Stroke, ...]
    level: FloatArray  # (n, 3): y, x1, x2 of level lines
    upright: FloatArray  # (n, 3): x, y1, y2 of upright lines

    @property
    def letter_height(self) -> float:
        """Usual height of a capital letter, px; 0 without text."""
        sizes = [each.size for each in self.glyphs if each.text.strip()]
        return 0.72 * float(np.median(sizes)) if sizes else 0.0


def to_page(vectors: PageVectors, dpi: int) -> VectorPage:
    """Take over what PDFium found, in pixels at ``dpi``."""
    scale = dpi / 72.0
    glyphs = tuple(_glyph(letter, row * np.array([scale] * 6 + [1.0, scale]))
                   for letter, row in zip(vectors.text, vectors.glyphs, strict=True))  # fmt: skip
    points = vectors.points.astype(np.float64) * scale
    pieces = np.split(points, vectors.starts[1:]) if len(vectors.starts) else []
    strokes = tuple(
        Stroke(piece, _box_of(piece), int(path), number)
        for number, (piece, path) in enumerate(zip(pieces, vectors.objects, strict=True))
    )
    is_end = np.zeros(max(len(points) - 1, 0), bool)
    if len(vectors.starts) > 1:
        is_end[vectors.starts[1:] - 1] = True
    level, upright = straight_lines(points[:-1][~is_end], points[1:][~is_end], 0.4 * scale)
    return VectorPage(
        vectors.width_pt * scale, vectors.height_pt * scale, glyphs, strokes, level, upright
    )


def _glyph(letter: str, row: FloatArray) -> Glyph:
    x1, y1, x2, y2, x, y, angle_deg, size = (float(each) for each in row)
    if abs(angle_deg / 90 - round(angle_deg / 90)) < 0.01:
        corners = turned(np.array([[x1, y1], [x2, y2]]), angle_deg)
        advance = float(corners[:, 0].max() - turned(np.array([x, y]), angle_deg)[0])
    else:  # the box of a slanting letter says little about its width
        advance = 0.55 * size
    if not letter.strip():
        advance = 0.28 * size
    return Glyph(letter, (x, y), min(max(advance, 0.1 * size), 1.2 * size), angle_deg, size)


def _box_of(points: FloatArray) -> Box:
    low, high = points.min(axis=0), points.max(axis=0)
    return Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))


def read_page(page: VectorPage, number: int, dpi: int) -> PageContent:
    """Bring text, signs and cells of a page together.

    Args:
        page: the page.
        number: of the page, from 1.
        dpi: pixels per inch that its coordinates are in.
    """
    letters = _with_circled_letters(page)
    letters += _signs_beside(page, letters)
    height = page.letter_height
    size = CellSize(1.1 * height, 5.0 * height, 0.15 * height)
    border = find_border(page.level, page.upright, page.width, page.height)
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
    return PageContent(
        number, page.width, page.height, dpi, tuple(lines), tuple(frames),
        boxed=tuple(lone_cells(grid)),
        tables=tuple(tables(grid, page.level, page.upright, 0.3 * height)),
        border=border,
    )  # fmt: skip


def _homes(letters: Sequence[Glyph], cells: Sequence[Box]) -> dict[Box | None, list[Glyph]]:
    """The letters by the smallest cell that each lies in; None for those in no cell."""
    homes: dict[Box | None, list[Glyph]] = defaultdict(list)
    by_size = sorted(set(cells), key=lambda each: each.width * each.height)
    corners = np.array([[each.x1, each.y1, each.x2, each.y2] for each in by_size]).reshape(-1, 4)
    for letter in letters:
        x, y = _middle(letter)
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


def _with_circled_letters(page: VectorPage) -> list[Glyph]:
    """The letters; one inside a drawn circle becomes the modifier it stands for."""
    circles = [each.box for each in page.strokes if _is_circle(each)]
    letters = []
    for glyph in page.glyphs:
        if glyph.text not in CIRCLED:
            letters.append(glyph)
            continue
        middle = _middle(glyph)
        ring = next(
            (ring for ring in circles
             if ring.holds((float(middle[0]), float(middle[1])), -0.3 * ring.width)
             and ring.width < 2.5 * glyph.size), None)  # fmt: skip
        if ring is None:
            letters.append(glyph)
        else:
            letters.append(_sign_glyph(CIRCLED[glyph.text], ring, glyph))
    return letters


def _is_circle(stroke: Stroke) -> bool:
    width, height = stroke.box.width, stroke.box.height
    if len(stroke.points) < 9 or min(width, height) <= 0 or not 0.9 < width / height < 1.1:
        return False
    distance = np.hypot(*(stroke.points - np.array(stroke.box.centre)).T) / (width / 2)
    return bool(np.abs(distance - 1).max() < 0.1)


def _sign_glyph(text: str, box: Box, like: Glyph) -> Glyph:
    """A sign as a letter on the baseline of ``like``."""
    corners = turned(
        np.array([[box.x1, box.y1], [box.x2, box.y1], [box.x2, box.y2], [box.x1, box.y2]]),
        like.angle_deg,
    )
    if abs(like.angle_deg / 90 - round(like.angle_deg / 90)) < 0.01:
        left, right = float(corners[:, 0].min()), float(corners[:, 0].max())
    else:  # the box of a slanting sign is wider than the sign
        middle, half = float(corners[:, 0].mean()), 0.5 * min(box.width, box.height)
        left, right = middle - half, middle + half
    baseline = float(turned(np.array(like.origin), like.angle_deg)[1])
    origin = turned_back(np.array([left, baseline]), like.angle_deg)
    return Glyph(
        text, (float(origin[0]), float(origin[1])), right - left, like.angle_deg, like.size
    )


def _signs_beside(page: VectorPage, letters: Sequence[Glyph]) -> list[Glyph]:
    """Signs drawn in line with letters; one sign may lead on to the next."""
    if not page.strokes:
        return []
    boxes = np.array(
        [[each.box.x1, each.box.y1, each.box.x2, each.box.y2] for each in page.strokes]
    )
    middles = np.array([_middle(each) for each in letters]).reshape(-1, 2)
    free = np.ones(len(boxes), bool)
    signs: list[Glyph] = []
    for _ in range(SIGNS_IN_A_ROW):
        found = []
        for line in join_glyphs([*letters, *signs]):
            near = line.box.grown(REACH * line.height)
            is_near = (
                (boxes[:, 0] >= near.x1) & (boxes[:, 1] >= near.y1)
                & (boxes[:, 2] <= near.x2) & (boxes[:, 3] <= near.y2) & free
            )  # fmt: skip
            strokes = [page.strokes[each] for each in np.flatnonzero(is_near)]
            for shape in _shapes(strokes, line.height):
                if _encloses(around(each.box for each in shape), middles):
                    continue  # a box or circle around letters
                glyph = _sign_of(shape, line)
                if glyph is not None and all(free[each.number] for each in shape):
                    free[[each.number for each in shape]] = False
                    found.append(glyph)
        if not found:
            break
        signs += found
    return signs


def _middle(letter: Glyph) -> FloatArray:
    along = np.array([letter.advance / 2, -0.36 * letter.size])
    middle: FloatArray = turned_back(along, letter.angle_deg) + np.array(letter.origin)
    return middle


def _encloses(box: Box, points: FloatArray) -> bool:
    return bool(
        ((points[:, 0] > box.x1) & (points[:, 0] < box.x2)
         & (points[:, 1] > box.y1) & (points[:, 1] < box.y2)).any()
    )  # fmt: skip


def _shapes(strokes: Sequence[Stroke], height: float) -> list[list[Stroke]]:
    """Small strokes that may be one sign: those of one path, then those that touch."""
    small = [
        each for each in strokes if max(each.box.width, each.box.height) < LARGEST_SIGN * height
    ]
    by_path: dict[int, list[Stroke]] = defaultdict(list)
    for stroke in small:
        by_path[stroke.path].append(stroke)
    touching = _touching(small, height)
    alone = [each for each in by_path.values() if len(by_path) > 1]
    return [*alone, *touching]


def _touching(strokes: Sequence[Stroke], height: float) -> list[list[Stroke]]:
    shapes: list[tuple[Box, list[Stroke]]] = []
    for stroke in strokes:
        joined, members, apart = stroke.box, [stroke], []
        for box, others in shapes:
            if joined.grown(0.12 * height).overlap(box.grown(0.02 * height)) > 0:
                joined, members = around([joined, box]), [*others, *members]
            else:
                apart.append((box, others))
        shapes = [*apart, (joined, members)]
    return [members for _, members in shapes]


def _sign_of(shape: Sequence[Stroke], line: TextLine) -> Glyph | None:
    """The sign that a shape shows, if it stands on the line."""
    polylines = [turned(each.points, line.angle_deg) for each in shape]
    points = np.concatenate(polylines)
    low, high = points.min(axis=0), points.max(axis=0)
    own = line.box_in(line.angle_deg)
    extent = float((high - low).max())
    is_in_line = low[1] > own.y1 - 0.5 * line.height and high[1] < own.y2 + 0.5 * line.height
    if not (is_in_line and 0.5 * line.height < extent < LARGEST_SIGN * line.height):
        return None
    among: Sequence[Sign] = SIGNS_IN_TEXT
    match = match_sign(polylines, among)
    if match is None:
        return None
    left, right = float(low[0]), float(high[0])
    origin = turned_back(np.array([left, own.y2]), line.angle_deg)
    size = line.height / 0.72
    return Glyph(match.character, (float(origin[0]), float(origin[1])), right - left,
                 line.angle_deg, size)  # fmt: skip
