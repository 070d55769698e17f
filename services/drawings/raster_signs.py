"""Signs in the cells of a picture: characteristics, ⌀ and circled letters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import numpy as np

from services.drawings.geometry import Box, FloatArray
from services.drawings.ink import Ink, Pixels, Shape, find_shapes, thinned
from services.drawings.signs import DIAMETERS, FRAME_SIGNS, LIKE_DIAMETER, match_points

Part = TypeVar("Part", Pixels, Ink)

BORDER_PX = 4  # how far the drawn sides of a cell reach into it
ROUND = 0.15  # mean deviation of a circle's chords, as a share of its radius
ROUND_PX = 1.25  # the same of small circles, in pixels
LEAST_RING = 0.4  # diameter of a circle around a letter, in heights of its cell
RING_PX = 4  # width of the circle's line
STRAIGHT = (0.35, 0.2)  # least length and most offset of the sign of straightness, in cell heights


@dataclass(frozen=True)
class Cutting:
    """A compartment taken apart."""

    rest: Pixels  # the picture without what was recognised
    has_diameter: bool
    circled: tuple[Pixels, ...]  # letters that stood in circles, from left to right


def sign_of_cell(ink: Ink, cell: Box, *, is_upright: bool) -> str | None:
    """The characteristic drawn in a cell; None if there is none that is known."""
    inside = _upright(ink, cell, is_upright=is_upright)
    shapes = _inner_shapes(inside)
    height, width = inside.shape
    inner = Box(BORDER_PX + 1, BORDER_PX + 1, width - BORDER_PX - 1, height - BORDER_PX - 1)
    # What reaches a side comes from outside, unless there is nothing else.
    whole = [each for each in shapes if _is_inside(each.box, inner)]
    shapes = whole or shapes
    if not shapes:
        return None
    points = np.concatenate([_middle_line(each) for each in shapes])
    match = match_points(points, FRAME_SIGNS)
    if match is None or not _is_centred(points, inside):
        return None
    return match.character


def _is_inside(box: Box, outer: Box) -> bool:
    return outer.x1 <= box.x1 and box.x2 <= outer.x2 and outer.y1 <= box.y1 and box.y2 <= outer.y2


def _is_centred(points: FloatArray, inside: Ink) -> bool:
    """Whether a sign is as large as signs are, and stands in the middle: no rest of a side."""
    height, width = inside.shape
    side = min(height, width)  # the cell is high where it stands before several rows
    low, high = points.min(axis=0), points.max(axis=0)
    offset = np.abs((low + high) / 2 - np.array([width, height]) / 2)
    least, most = STRAIGHT
    return bool((high - low).max() > least * side and offset.max() < most * side)


def cut_cell(pixels: Pixels, ink: Ink, cell: Box, *, is_upright: bool) -> Cutting:
    """Take a compartment apart: ⌀, circled letters, and the rest for the OCR."""
    picture = _upright(pixels, cell, is_upright=is_upright).copy()
    shapes = _inner_shapes(_upright(ink, cell, is_upright=is_upright))
    border = np.ones(picture.shape[:2], bool)
    for shape in shapes:
        _mark(border, shape.box.grown(2), value=False)
    picture[border] = 255
    has_diameter = bool(shapes) and is_diameter(shapes[0])
    if has_diameter:
        _erase(picture, shapes[0].box)
    circled = []
    inside = _upright(ink, cell, is_upright=is_upright)
    for hole in disc_holes(inside, LEAST_RING * len(inside)):
        letters = [each for each in shapes if _lies_within(each, hole)]
        if letters:
            circled.append(_letter_alone(picture, hole, letters))
            _erase(picture, hole.box.grown(RING_PX))
    return Cutting(picture, has_diameter, tuple(circled))


def disc_holes(inside: Ink, least: float) -> list[Shape]:
    """Paper that a circle encloses, from left to right.

    Args:
        inside: a small picture.
        least: height of a hole that counts, px.
    """
    height, width = inside.shape
    holes = []
    for each in find_shapes(~inside, 4):
        is_open = each.box.x1 == 0 or each.box.y1 == 0 or each.box.x2 == width
        if is_open or each.box.y2 == height or each.box.height < least:
            continue
        if _is_disc(each):
            holes.append(each)
    return sorted(holes, key=lambda each: each.box.x1)


def _is_disc(hole: Shape) -> bool:
    """Whether the outline of a hole is a circle, whatever lies inside."""
    if not 0.85 < hole.box.width / hole.box.height < 1.18:
        return False
    rows = np.arange(len(hole.ink))
    left = hole.ink.argmax(axis=1)
    right = hole.ink.shape[1] - hole.ink[:, ::-1].argmax(axis=1)
    radius = len(rows) / 2
    chord = hole.box.width * np.sqrt(1 - ((rows + 0.5 - radius) / radius) ** 2)
    return bool(np.abs(right - left - chord).mean() < max(ROUND * radius, ROUND_PX))


def _lies_within(shape: Shape, hole: Shape) -> bool:
    return _is_inside(shape.box, hole.box)


def is_diameter(shape: Shape) -> bool:
    """Whether a shape is ⌀ and no letter that looks like it."""
    match = match_points(_middle_line(shape), (*DIAMETERS, *LIKE_DIAMETER))
    return match is not None and match.character == "⌀"


def _middle_line(shape: Shape) -> FloatArray:
    return Shape(shape.box, thinned(shape.ink)).points


def _upright(array: Part, cell: Box, *, is_upright: bool) -> Part:
    part = array[int(cell.y1) : int(cell.y2) + 1, int(cell.x1) : int(cell.x2) + 1]
    return part if is_upright else cast(Part, np.rot90(part, -1))


def _inner_shapes(inside: Pixels | Ink) -> list[Shape]:
    """Shapes that do not belong to the cell's sides, from left to right."""
    height, width = inside.shape[:2]
    inner = Box(BORDER_PX, BORDER_PX, width - BORDER_PX, height - BORDER_PX)
    cleared = inside.astype(bool)
    # A sign may touch the side: what lies on the side itself is taken away first.
    for edge in range(BORDER_PX):
        for line in (cleared[edge], cleared[-1 - edge], cleared[:, edge], cleared[:, -1 - edge]):
            line[:] = False
    shapes = [each for each in find_shapes(cleared, 6) if _lies_in(each, inner)]
    return sorted(shapes, key=lambda each: each.box.x1)


def _lies_in(shape: Shape, inner: Box) -> bool:
    is_side = shape.box.width < 4 and shape.box.height > 0.8 * inner.height
    return inner.holds(shape.box.centre) and not is_side


def _letter_alone(picture: Pixels, ring: Shape, letters: Sequence[Shape]) -> Pixels:
    alone = np.full_like(picture[: int(ring.box.height), : int(ring.box.width)], 255)
    for letter in letters:
        rows, columns = np.nonzero(letter.ink)
        top, left = int(letter.box.y1), int(letter.box.x1)
        alone_rows, alone_columns = rows + top - int(ring.box.y1), columns + left - int(ring.box.x1)
        is_inside = (
            (alone_rows >= 0) & (alone_columns >= 0)
            & (alone_rows < alone.shape[0]) & (alone_columns < alone.shape[1])
        )  # fmt: skip
        alone[alone_rows[is_inside], alone_columns[is_inside]] = picture[
            rows[is_inside] + top, columns[is_inside] + left
        ]
    return alone


def _mark(mask: Ink, box: Box, *, value: bool) -> None:
    mask[max(0, int(box.y1)) : int(box.y2) + 1, max(0, int(box.x1)) : int(box.x2) + 1] = value


def _erase(picture: Pixels, box: Box) -> None:
    grown = box.grown(2)
    picture[max(0, int(grown.y1)) : int(grown.y2) + 1,
            max(0, int(grown.x1)) : int(grown.x2) + 1] = 255  # fmt: skip
