"""Lay small pictures on one sheet, so that the OCR reads them all in one request."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from services.drawings.geometry import Box
from services.drawings.ink import Pixels
from services.drawings.lines import TextLine

PADDING_PX = 36  # around each picture
WIDTH_PX = 1200


@dataclass(frozen=True)
class Sheet:
    """Pictures on white paper."""

    pixels: Pixels
    places: tuple[Box, ...]  # of the pictures, in the order they were given

    def lines_in(self, index: int, lines: Sequence[TextLine]) -> list[TextLine]:
        """The lines that were read in a picture, in the sheet's pixels."""
        place = self.places[index].grown(PADDING_PX / 2)
        return [each for each in lines if place.holds(each.box.centre)]


def lay_out(pictures: Sequence[Pixels]) -> Sheet | None:
    """Put pictures side by side in rows, the highest first; None without pictures."""
    if not pictures:
        return None
    x = y = PADDING_PX
    row_height, places = 0, {}
    for index in sorted(range(len(pictures)), key=lambda each: -pictures[each].shape[0]):
        height, width = pictures[index].shape[:2]
        if x > PADDING_PX and x + width + PADDING_PX > WIDTH_PX:
            x, y, row_height = PADDING_PX, y + row_height + PADDING_PX, 0
        places[index] = Box(x, y, x + width, y + height)
        x += width + 2 * PADDING_PX
        row_height = max(row_height, height)
    right = round(max(each.x2 for each in places.values())) + PADDING_PX
    paper = np.full((y + row_height + PADDING_PX, right, 3), 255, np.uint8)
    for index, place in places.items():
        height, width = pictures[index].shape[:2]
        paper[int(place.y1) : int(place.y1) + height, int(place.x1) : int(place.x1) + width] = (
            pictures[index]
        )
    return Sheet(paper, tuple(places[index] for index in range(len(pictures))))


def scaled(picture: Pixels, scale: float) -> Pixels:
    """A picture in another size."""
    size = tuple(max(4, round(side * scale)) for side in picture.shape[1::-1])
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
