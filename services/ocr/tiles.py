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
from shared.errors import FieldFault, InvalidInput

MOST_TILES = 512
"""Of one page: each is a search of its own."""
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

    Raises:
        InvalidInput: there would be more than ``MOST_TILES``.
    """
    if not tile_px:
        return [Tile(0, 0, width_px, height_px)]
    across, down = (_spans(side, tile_px, overlap_px) for side in (width_px, height_px))
    count = len(across) * len(down)
    if count > MOST_TILES:
        text = (
            f"a page of {width_px} x {height_px} pixels would need {count} tiles; "
            f"the limit is {MOST_TILES}: raise tile_size or lower tile_overlap"
        )
        raise InvalidInput(text, faults=[FieldFault("tile_size", text)])
    return [Tile(left, top, right, bottom) for top, bottom in down for left, right in across]


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
        earlier = _Earlier(joined)
        whole = [earlier.absorb(polygon) for polygon in polygons]
        joined = earlier.rest() + whole
    return joined


class _Earlier:
    """Polygons of earlier tiles, until a part of theirs is found on another."""

    def __init__(self, polygons: list[FloatArray]) -> None:
        self._polygons = polygons
        corners = np.array(polygons, np.float32).reshape(-1, 4, 2)
        self._low, self._high = corners.min(axis=1), corners.max(axis=1)
        self._is_left = np.ones(len(polygons), bool)

    def absorb(self, polygon: FloatArray) -> FloatArray:
        """The polygon with all its parts from here, which are taken out."""
        while True:
            near = self._near(polygon)
            match = next((n for n in near if _are_one(self._polygons[n], polygon)), None)
            if match is None:
                return polygon
            self._is_left[match] = False
            polygon = _union(self._polygons[match], polygon)  # may now meet a further part

    def rest(self) -> list[FloatArray]:
        """Those of which no part was found."""
        return [self._polygons[n] for n in np.flatnonzero(self._is_left)]

    def _near(self, polygon: FloatArray) -> list[int]:
        """Those whose upright boxes touch the polygon's."""
        is_before = (self._high < polygon.min(axis=0)).any(axis=1)
        is_behind = (self._low > polygon.max(axis=0)).any(axis=1)
        near: list[int] = np.flatnonzero(self._is_left & ~is_before & ~is_behind).tolist()
        return near


def _spans(length_px: int, tile_px: int, overlap_px: int) -> list[tuple[int, int]]:
    if length_px <= tile_px:
        return [(0, length_px)]
    count = -(-(length_px - overlap_px) // (tile_px - overlap_px))
    starts = np.linspace(0, length_px - tile_px, count).round().astype(int)
    return [(int(start), int(start) + tile_px) for start in starts]


def _are_one(one: FloatArray, other: FloatArray) -> bool:
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
