"""Clean a page before it is read: even out the light, smooth, turn it level.

Each step is off unless asked for: clean pages are read best as they are.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from services.ocr.readings import FloatArray, ImageArray

CLAHE_CLIP_LIMIT = 2.0
CLAHE_GRID = (8, 8)
DESKEW_MAX_DEG = 15.0
DESKEW_MIN_DEG = 0.2
"""Below this slope nothing is gained by turning."""
_SLOPE_SIDE_PX = 1000  # the slope is measured on a copy of this size


@dataclass(frozen=True)
class Cleaning:
    """Which steps to take."""

    clahe: bool = False  # contrast-limited adaptive histogram equalisation of the brightness
    blur_px: int = 0  # width of a median filter; 0: none, else odd
    deskew: bool = False  # turn the page until its lines are level


@dataclass(frozen=True)
class CleanPage:
    """A cleaned page, and how it lies on the page that came."""

    pixels: ImageArray  # (height, width, 3) RGB
    to_original: NDArray[np.float64] | None  # (2, 3) affine, None where nothing was turned

    def restore(self, polygons: Sequence[FloatArray]) -> list[FloatArray]:
        """Polygons (4, 2) of the cleaned page, in pixels of the page that came."""
        if self.to_original is None:
            return list(polygons)
        turn, shift = self.to_original[:, :2], self.to_original[:, 2]
        return [(each @ turn.T + shift).astype(np.float32) for each in polygons]


def clean(page: ImageArray, steps: Cleaning) -> CleanPage:
    """Take the steps asked for.

    Args:
        page: (height, width, 3) RGB.
        steps: which.
    """
    to_original = None
    if steps.blur_px:
        page = np.asarray(cv2.medianBlur(page, steps.blur_px), np.uint8)
    if steps.clahe:
        page = _even_light(page)
    if steps.deskew:
        slope_deg = page_slope_deg(page)
        if abs(slope_deg) >= DESKEW_MIN_DEG:
            page, to_original = _turn(page, slope_deg)
    return CleanPage(page, to_original)


def page_slope_deg(page: ImageArray) -> float:
    """Slope of the lines of text, clockwise, within ``DESKEW_MAX_DEG``; 0 for an empty page.

    Ink of level lines falls into few rows: the slope is the one at which the row sums of ink vary
    most (W. Postl, US patent 4723297, 1988).
    """
    height, width = page.shape[:2]
    scale = min(1.0, _SLOPE_SIDE_PX / max(height, width))
    grey = cv2.cvtColor(page, cv2.COLOR_RGB2GRAY)
    grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    level = cv2.GaussianBlur(grey, (0, 0), 15)
    ink = np.abs(grey.astype(np.float32) - level) > 20  # dark on light or light on dark
    y, x = np.nonzero(ink)
    if not len(y):
        return 0.0
    coarse = _sharpest(x, y, np.arange(-DESKEW_MAX_DEG, DESKEW_MAX_DEG + 0.5, 0.5))
    return _sharpest(x, y, np.arange(coarse - 0.5, coarse + 0.55, 0.1))


def _sharpest(x: NDArray[np.intp], y: NDArray[np.intp], slopes_deg: NDArray[Any]) -> float:
    reach = int(np.hypot(x.max(), y.max())) + 2
    scores = []
    for slope in np.radians(slopes_deg):
        rows = np.round(y * math.cos(slope) - x * math.sin(slope)).astype(np.int64) + reach
        scores.append(float((np.bincount(rows, minlength=2 * reach).astype(np.float64) ** 2).sum()))
    return float(slopes_deg[int(np.argmax(scores))])


def _even_light(page: ImageArray) -> ImageArray:
    lab = cv2.cvtColor(page, cv2.COLOR_RGB2LAB)
    lab[:, :, 0] = cv2.createCLAHE(CLAHE_CLIP_LIMIT, CLAHE_GRID).apply(lab[:, :, 0])
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)


def _turn(page: ImageArray, slope_deg: float) -> tuple[ImageArray, NDArray[np.float64]]:
    """The page turned level on a canvas that holds all of it, and the way back."""
    height, width = page.shape[:2]
    matrix = np.asarray(
        cv2.getRotationMatrix2D((width / 2, height / 2), slope_deg, 1.0), np.float64
    )
    across, along = abs(matrix[0, 1]), abs(matrix[0, 0])
    wide = math.ceil(height * across + width * along)
    high = math.ceil(height * along + width * across)
    matrix[:, 2] += [(wide - width) / 2, (high - height) / 2]
    turned = cv2.warpAffine(
        page, matrix, (wide, high), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    back = np.asarray(cv2.invertAffineTransform(matrix), np.float64)
    return np.asarray(turned, np.uint8), back
