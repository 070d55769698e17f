"""Draw what was read on the picture of a page."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from services.drawings.geometry import Box

Colour = tuple[int, int, int]
COLOURS: dict[str, Colour] = {
    "dimension": (20, 110, 220),
    "feature_control_frame": (200, 30, 140),
    "datum": (120, 60, 200),
    "surface_texture": (0, 140, 110),
    "title_block": (120, 120, 120),
    "detection": (170, 150, 60),
    "unparsed": (220, 60, 20),
}
MOST_SIDE_PX = 8000  # larger pages are drawn smaller


@dataclass(frozen=True)
class Mark:
    """A box to be drawn."""

    kind: str  # of ``COLOURS``
    label: str
    box: Box


def draw(pixels: NDArray[np.uint8], marks: Sequence[Mark]) -> bytes:
    """The page with a box and a label for each mark, as PNG.

    Args:
        pixels: (height, width, 3) uint8 RGB.
        marks: in pixels of the page.
    """
    image = Image.fromarray(pixels)
    scale = min(1.0, MOST_SIDE_PX / max(image.size))
    if scale < 1:
        image = image.resize(
            (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        )
    brush = ImageDraw.Draw(image)
    unit = max(1, round(max(image.size) / 1200))
    for mark in _large_first(marks):
        box = [side * scale for side in (mark.box.x1, mark.box.y1, mark.box.x2, mark.box.y2)]
        colour = COLOURS[mark.kind]
        brush.rectangle([box[0] - unit, box[1] - unit, box[2] + unit, box[3] + unit],
                        outline=colour, width=unit)  # fmt: skip
        brush.text((box[0], box[1] - 11 * unit), mark.label, fill=colour, font_size=9 * unit)
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _large_first(marks: Iterable[Mark]) -> list[Mark]:
    return sorted(marks, key=lambda each: -each.box.width * each.box.height)
