"""Search a large picture in overlapping tiles, and join what the borders of tiles have cut.

Small print on a drawing is lost when the whole sheet is shrunk to the size of the search. Each tile
is searched at full scale; text in the overlap is found in two tiles, a line across a border in two
parts. Both become one polygon.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from services.ocr.readings import FloatArray

SAME_THICKNESS = 1.35
"""Two parts are one line if the box around both is at most this much thicker than the thicker."""
MOSTLY_INSIDE = 0.6
"""A polygon of which this share lies in another is the same text, seen less well."""


@dataclass(frozen=True)
class Tile:
    """A part of a page, in pixels; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int


def make_tiles(width_px: int, height_px: int, tile_px: int, overlap_px: int) -> list[Tile]:
    """Tiles that cover a page evenly, row by row.

    Args:
        width_px: width of the page.
        height_px: its height.
        tile_px: longest side of a tile; 0 makes one tile of the whole page.
        overlap_px: least overlap of neighbours, below ``tile_px``.
    """
    if not tile_px:
        return [Tile(0, 0, width_px, height_px)]
    return [
        Tile(left, top, right, bottom)
        for top, bottom in _spans(height_px, tile_px, overlap_px)
        for left, right in _spans(width_px, tile_px, overlap_px)
    ]


def join_tiles(found: Sequence[FloatArray]) -> list[FloatArray]:
    """Polygons of all tiles as those of one page.

    Args:
        found: for each tile (n, 4, 2), in pixels of the page.

    Returns:
        (4, 2) each, clockwise from the corner that is top left on the page.
    """
    joined: list[FloatArray] = []
    for polygons in found:
        # What one tile found apart is apart: only parts from different tiles are joined.
        joined += [_absorb(polygon, joined) for polygon in polygons]
    return joined


def _absorb(polygon: FloatArray, earlier: list[FloatArray]) -> FloatArray:
    """The polygon with all its parts from earlier tiles, which are taken out of the list."""
    while True:
        match = next((n for n, each in enumerate(earlier) if _are_one(each, polygon)), None)
        if match is None:
            return polygon
        polygon = _union(earlier.pop(match), polygon)  # may now meet a further part


def _spans(length_px: int, tile_px: int, overlap_px: int) -> list[tuple[int, int]]:
    if length_px <= tile_px:
        return [(0, length_px)]
    count = -(-(length_px - overlap_px) // (tile_px - overlap_px))
    starts = np.linspace(0, length_px - tile_px, count).round().astype(int)
    return [(int(start), int(start) + tile_px) for start in starts]


def _are_one(one: FloatArray, other: FloatArray) -> bool:
    if (one.max(axis=0) < other.min(axis=0)).any() or (other.max(axis=0) < one.min(axis=0)).any():
        return False
    shared, _ = cv2.intersectConvexConvex(_float32(one), _float32(other))
    if shared <= 0:
        return False
    smaller = min(cv2.contourArea(_float32(one)), cv2.contourArea(_float32(other)))
    if shared >= MOSTLY_INSIDE * smaller:
        return True
    around = _thickness(np.concatenate([one, other]))
    return around <= SAME_THICKNESS * max(_thickness(one), _thickness(other))


def _union(one: FloatArray, other: FloatArray) -> FloatArray:
    """The box around both when they are parts of a line, else the larger."""
    around = np.concatenate([one, other])
    if _thickness(around) <= SAME_THICKNESS * max(_thickness(one), _thickness(other)):
        return _from_top_left(_float32(cv2.boxPoints(cv2.minAreaRect(_float32(around)))))
    return max(one, other, key=lambda each: float(cv2.contourArea(_float32(each))))


def _thickness(corners: FloatArray) -> float:
    return float(min(cv2.minAreaRect(_float32(corners))[1]))


def _from_top_left(corners: FloatArray) -> FloatArray:
    """Corners of a box, clockwise, from the one that is top left on the page."""
    by_x = corners[np.argsort(corners[:, 0], kind="stable")]
    top_left, bottom_left = by_x[:2][np.argsort(by_x[:2, 1], kind="stable")]
    top_right, bottom_right = by_x[2:][np.argsort(by_x[2:, 1], kind="stable")]
    return _float32(np.array([top_left, top_right, bottom_right, bottom_left]))


def _float32(corners: Any) -> FloatArray:  # noqa: ANN401 - any array
    return np.ascontiguousarray(corners, np.float32)
