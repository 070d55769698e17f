"""Cuts drawings into the 640 px pictures that the detector sees, and makes them look scanned."""

from dataclasses import dataclass
from random import Random

import cv2
import numpy as np
import numpy.typing as npt

from services.yolo.demo.page import Page

TILE_PX = 640
_LEAST_SIDE_PX = 6.0  # what is smaller cannot be told apart any more and carries no label
_LEAST_VISIBLE = 0.4  # of a thing's area; below that it is not expected to be found
_GREY = 114  # the padding that Ultralytics puts around pictures

GrayImage = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Window:
    """A square part of a drawing.

    Attributes:
        pixels: (side, side) uint8, grey levels.
        boxes: (n, 4) float32, xyxy in pixels of the window.
        class_ids: (n,) int64.
    """

    pixels: GrayImage
    boxes: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int64]


def cut(rng: Random, page: Page, *, whole: bool, strength: float, side_px: int = TILE_PX) -> Window:
    """A tile at about the drawing's own scale, or the whole drawing made small.

    Args:
        rng: source of chance.
        page: what to cut from.
        whole: the whole sheet, padded to a square.
        strength: of the damage done by copying, 0 to 1.
        side_px: width and height of the result.
    """
    width, height = page.image.size
    if whole:
        scale = side_px / max(width, height)
        middle = (width / 2, height / 2)
    else:
        scale = rng.uniform(0.75, 1.35)
        reach = side_px / scale / 2
        aim = _aim(rng, page)
        middle = (_within(reach, width, aim[0]), _within(reach, height, aim[1]))
    angle = np.deg2rad(rng.gauss(0, 0.6) if rng.random() < 0.4 * strength else 0.0)
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    offset = side_px / 2 - matrix @ np.array(middle)
    transform = np.column_stack([matrix, offset])
    paper = np.asarray(page.image)
    if scale < 1:  # warpAffine does not average, thin lines would vanish
        paper = np.asarray(cv2.GaussianBlur(paper, (0, 0), 0.45 / scale), np.uint8)
    pixels = cv2.warpAffine(
        paper, transform, (side_px, side_px), flags=cv2.INTER_LINEAR, borderValue=(_GREY,)
    )
    boxes, class_ids = _visible(page, transform, side_px)
    return Window(_damage(rng, np.asarray(pixels, np.uint8), strength), boxes, class_ids)


def _aim(rng: Random, page: Page) -> tuple[float, float]:
    """A point to cut around: near a thing of a random class, so rare ones are met, or anywhere."""
    class_ids = sorted({label.class_id for label in page.labels})
    if not class_ids or rng.random() < 0.25:
        return rng.uniform(0, page.image.width), rng.uniform(0, page.image.height)
    wanted = rng.choice(class_ids)
    x0, y0, x1, y1 = rng.choice([label.box for label in page.labels if label.class_id == wanted])
    shift = TILE_PX / 4
    return (x0 + x1) / 2 + rng.uniform(-shift, shift), (y0 + y1) / 2 + rng.uniform(-shift, shift)


def _within(reach: float, length: float, aim: float) -> float:
    """A middle near `aim` whose window of +-reach stays on the sheet where that is possible."""
    return length / 2 if 2 * reach >= length else min(max(aim, reach), length - reach)


def _visible(
    page: Page, transform: npt.NDArray[np.float64], side_px: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Boxes in the window, cut off at its border; those mostly outside or too small fall away."""
    boxes: list[tuple[float, float, float, float]] = []
    class_ids: list[int] = []
    for label in page.labels:
        x0, y0, x1, y1 = label.box
        corners = np.array([[x0, y0, 1], [x1, y0, 1], [x1, y1, 1], [x0, y1, 1]]) @ transform.T
        low, high = corners.min(axis=0), corners.max(axis=0)
        inside_low, inside_high = np.clip(low, 0, side_px), np.clip(high, 0, side_px)
        sides = inside_high - inside_low
        if sides.min() < _LEAST_SIDE_PX or sides.prod() < _LEAST_VISIBLE * (high - low).prod():
            continue
        boxes.append((inside_low[0], inside_low[1], inside_high[0], inside_high[1]))
        class_ids.append(label.class_id)
    return np.array(boxes, np.float32).reshape(-1, 4), np.array(class_ids, np.int64)


def _damage(rng: Random, pixels: GrayImage, strength: float) -> GrayImage:
    """Blur, thickening, uneven paper, noise and JPEG of a scan."""
    if rng.random() < 0.35 * strength:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.4, 1.1)), np.uint8)
    if rng.random() < 0.2 * strength:
        pixels = np.asarray(cv2.erode(pixels, np.ones((2, 2), np.uint8)), np.uint8)
    picture = pixels.astype(np.float32)
    if rng.random() < 0.5 * strength:
        contrast = rng.uniform(0.55, 1.0)
        picture = picture * contrast + (255 - 255 * contrast) * rng.uniform(0.0, 1.0)
    if rng.random() < 0.4 * strength:
        noise = np.random.default_rng(rng.getrandbits(32)).standard_normal(pixels.shape, np.float32)
        picture += rng.uniform(2, 18) * noise
    pixels = np.clip(picture, 0, 255).astype(np.uint8)
    if rng.random() < 0.4 * strength:
        _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, rng.randint(30, 85)])
        pixels = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
    if rng.random() < 0.08 * strength:
        pixels = 255 - pixels
    return pixels
