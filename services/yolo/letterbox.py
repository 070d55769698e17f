"""Fit a picture onto the canvas that a model takes, and find the way back.

The arithmetic, rounding included, is that of Ultralytics' ``LetterBox`` and ``scale_boxes``
(ultralytics/data/augment.py, ultralytics/utils/ops.py), so that results are comparable.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from services.yolo.facts import ModelFacts
from services.yolo.found import FloatArray

PADDING_GREY = 114
Pixels = NDArray[np.uint8]
"""(height, width, 3), RGB."""


@dataclass(frozen=True)
class Letterbox:
    """Where a picture lies on its canvas; all in pixels."""

    image_width: int
    image_height: int
    canvas_width: int
    canvas_height: int
    scaled_width: int  # of the picture on the canvas
    scaled_height: int
    left: int  # padding before the picture
    top: int

    def paint(self, pixels: Pixels) -> Pixels:
        """The canvas: the picture resized bilinearly, grey around it."""
        if pixels.shape[:2] != (self.scaled_height, self.scaled_width):
            size = (self.scaled_width, self.scaled_height)
            resized = cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR)
            pixels = np.asarray(resized, np.uint8)
        canvas = np.full((self.canvas_height, self.canvas_width, 3), PADDING_GREY, np.uint8)
        canvas[
            self.top : self.top + self.scaled_height, self.left : self.left + self.scaled_width
        ] = pixels
        return canvas

    def to_image(self, points: FloatArray, *, clip: bool = True) -> FloatArray:
        """Points of the canvas in pixels of the picture.

        Args:
            points: (…, 2), x and y.
            clip: move points beyond the picture onto its border.
        """
        offset = np.array([self.left, self.top], np.float32)
        gain = np.array(
            [self.scaled_width / self.image_width, self.scaled_height / self.image_height],
            np.float32,
        )
        moved = (points - offset) / gain
        if clip:
            moved = np.clip(moved, 0, np.array([self.image_width, self.image_height]))
        return moved.astype(np.float32)


def fit(
    width_px: int, height_px: int, *, canvas: tuple[int, int], stride_px: int | None
) -> Letterbox:
    """Place a picture of ``width_px`` x ``height_px`` in the middle of a canvas.

    Args:
        width_px: width of the picture, at least 1.
        height_px: its height, at least 1.
        canvas: (height, width) of the largest canvas.
        stride_px: shrink the canvas to the least multiple of this that holds the picture; None
            keeps it as given (models of fixed shape).
    """
    height, width = canvas
    ratio = min(height / height_px, width / width_px)
    scaled_width = max(round(width_px * ratio), 1)
    scaled_height = max(round(height_px * ratio), 1)
    pad_x, pad_y = width - scaled_width, height - scaled_height
    if stride_px is not None:
        pad_x, pad_y = pad_x % stride_px, pad_y % stride_px
    return Letterbox(
        width_px, height_px,
        canvas_width=scaled_width + pad_x, canvas_height=scaled_height + pad_y,
        scaled_width=scaled_width, scaled_height=scaled_height,
        left=round(pad_x / 2 - 0.1), top=round(pad_y / 2 - 0.1),
    )  # fmt: skip


def fit_for(facts: ModelFacts, width_px: int, height_px: int, image_size: int) -> Letterbox:
    """Place a picture on the canvas that a model takes at ``image_size``.

    Args:
        facts: of the model; its fixed shape, if any, goes before ``image_size``.
        width_px: width of the picture.
        height_px: its height.
        image_size: long side of the canvas, in pixels, a multiple of the model's stride.
    """
    if facts.fixed_shape is not None:
        return fit(width_px, height_px, canvas=facts.fixed_shape, stride_px=None)
    return fit(width_px, height_px, canvas=(image_size, image_size), stride_px=facts.stride)


def as_batch(canvases: Sequence[Pixels]) -> FloatArray:
    """Canvases of one shape as the array (n, 3, height, width) float32, 0 to 1."""
    blob = cv2.dnn.blobFromImages(list(canvases), scalefactor=1 / 255)
    return np.asarray(blob, np.float32)


def crop_centre(pixels: Pixels, size_px: int) -> Pixels:
    """The middle square of a picture whose short side is resized to ``size_px``.

    As torchvision's ``Resize`` (bilinear, antialiased) and ``CenterCrop``, which Ultralytics uses
    for classification.
    """
    height, width = pixels.shape[:2]
    if width <= height:
        new_width, new_height = size_px, max(size_px, int(size_px * height / width))
    else:
        new_width, new_height = max(size_px, int(size_px * width / height)), size_px
    resized = Image.fromarray(pixels).resize((new_width, new_height), Image.Resampling.BILINEAR)
    left, top = round((new_width - size_px) / 2), round((new_height - size_px) / 2)
    return np.asarray(resized)[top : top + size_px, left : left + size_px].copy()
