"""Pixels in and out of the models: the picture that is searched, and the upright crop of a line."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from services.ocr.readings import FloatArray, ImageArray

CROP_HEIGHT_PX = 48
"""Height that PP-OCR recognisers read at; widths below are at this height."""
BUCKET_PX = 64
MAX_CROP_WIDTH_PX = 3200
GRID_PX = 32
"""Sides of a searched picture are multiples of this, as the detector's network needs."""


@dataclass(frozen=True)
class SearchSize:
    """Bounds of the picture that is given to the detector."""

    min_side_px: int = 480  # small print is enlarged until its shorter side has this ...
    max_enlargement: float = 2.0  # ... but no more than by this
    max_side_px: int = 1920


def search_shape(width_px: int, height_px: int, size: SearchSize) -> tuple[int, int]:
    """Width and height, multiples of ``GRID_PX``, at which a picture is searched."""
    scale = min(max(1.0, size.min_side_px / min(width_px, height_px)), size.max_enlargement)
    scale = min(scale, size.max_side_px / max(width_px, height_px))
    width, height = (
        max(GRID_PX, round(side * scale / GRID_PX) * GRID_PX) for side in (width_px, height_px)
    )
    return width, height


def search_picture(page: ImageArray, size: SearchSize) -> ImageArray:
    """The page at its search shape; as (height, width, 3)."""
    height, width = page.shape[:2]
    shape = search_shape(width, height, size)
    shrinks = shape[0] < width or shape[1] < height
    resized = cv2.resize(page, shape, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.ascontiguousarray(resized, dtype=np.uint8)


def to_page(polygons: FloatArray, searched: ImageArray, page: ImageArray) -> FloatArray:
    """Polygons (n, 4, 2) of a searched picture, in pixels of the page."""
    ratio = [page.shape[1] / searched.shape[1], page.shape[0] / searched.shape[0]]
    corners = polygons.astype(np.float32) * np.array(ratio, np.float32)
    return np.clip(corners, 0, [page.shape[1], page.shape[0]]).astype(np.float32)


def orientations(polygon: FloatArray) -> list[FloatArray]:
    """The ways in which text may stand in a box.

    Lines wider than tall are read as they are. Tall ones run down or up the page; those that are
    not very tall may be a single upright character.

    Args:
        polygon: (4, 2), clockwise from the corner that is top left on the page.

    Returns:
        For each way, the polygon with its first corner at the text's own top left.
    """
    width, height = _sides(polygon)
    if height < 1.5 * width:
        return [polygon]
    turned = [np.roll(polygon, -1, axis=0), np.roll(polygon, 1, axis=0)]  # runs down, runs up
    return [*turned, polygon] if height < 2.5 * width else turned


def cut(page: ImageArray, polygon: FloatArray) -> ImageArray:
    """The text in ``polygon``, upright, as (height, width, 3), at the page's own scale.

    Args:
        page: (height, width, 3).
        polygon: (4, 2), clockwise from the text's own top left.
    """
    width, height = _sides(polygon)
    width_px, height_px = max(2, round(width)), max(2, round(height))
    corners = np.array([[0, 0], [width_px, 0], [width_px, height_px], [0, height_px]], np.float32)
    matrix = cv2.getPerspectiveTransform(np.ascontiguousarray(polygon, np.float32), corners)
    crop = cv2.warpPerspective(
        page, matrix, (width_px, height_px), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.ascontiguousarray(crop, dtype=np.uint8)


def bucket_width_px(crop: ImageArray) -> int:
    """Width to which a crop is padded at ``CROP_HEIGHT_PX``; crops of one bucket share batches.

    The width follows from the crop alone, so that a crop reads the same in any company.
    """
    height, width = int(crop.shape[0]), int(crop.shape[1])
    wanted = math.ceil(CROP_HEIGHT_PX * width / height)
    return min(MAX_CROP_WIDTH_PX, BUCKET_PX * math.ceil(wanted / BUCKET_PX))


def angle_deg(polygon: FloatArray) -> float:
    """Direction of a line of text, clockwise from the x axis, in (-180, 180]."""
    dx, dy = (float(value) for value in polygon[1] - polygon[0])
    angle = math.degrees(math.atan2(dy, dx))
    return 180.0 if angle == -180.0 else angle


def _sides(polygon: FloatArray) -> tuple[float, float]:
    """Length and height of a box whose first corner is the text's top left, in px."""
    edges = np.linalg.norm(np.roll(polygon, -1, axis=0) - polygon, axis=1)
    return float(max(edges[0], edges[2])), float(max(edges[1], edges[3]))
