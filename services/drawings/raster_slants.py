"""Find frames and boxed values that slant in a picture: around slanting lines of text.

The picture around such a line is turned level, and looked at as any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.drawings.cells import CellSize, find_rows
from services.drawings.content import lone_cells
from services.drawings.frame_shapes import frame_shapes
from services.drawings.geometry import Point, TurnedBox, slant_deg, turned_back
from services.drawings.ink import Pixels, find_ink, long_runs, upright_crop
from services.drawings.lines import TextLine
from services.drawings.raster_frames import RasterFrame, find_frames

SLANT_DEG = 12.0  # lines that slant by less are level or upright, read askew
MOST_SLANTING = 40  # lines of a view around which is looked
ALONG, ACROSS = 8.0, 2.5  # how far around a line is looked, in heights of its letters
MISREAD_DEG = (0.0, -2.0, 2.0, -4.0, 4.0)  # by how much the direction of a line may be wrong


@dataclass(frozen=True)
class Slanting:
    """Frames and boxes that were found around slanting lines."""

    frames: tuple[RasterFrame, ...]
    boxed: tuple[TurnedBox, ...]


def find_slanting(pixels: Pixels, lines: Sequence[TextLine]) -> Slanting:
    """Look around the slanting ones among lines.

    Args:
        pixels: (height, width, 3) uint8 RGB.
        lines: in pixels of the picture.
    """
    frames: list[RasterFrame] = []
    boxed: list[TurnedBox] = []
    slanting = [each for each in lines if slant_deg(each.angle_deg) > SLANT_DEG]
    for line in slanting[:MOST_SLANTING]:
        middle = _middle(line)
        if any(each.place.holds(middle) for each in frames):
            continue
        for misread_deg in MISREAD_DEG:
            found = _look_around(pixels, line, line.angle_deg + misread_deg)
            frames += [each for each in found.frames if each.place.holds(middle)]
            boxed += [each for each in found.boxed if each.holds(middle)]
            if any(each.holds(middle) for each in (*found.boxed, *(f.place for f in found.frames))):
                break
    return Slanting(tuple(frames), tuple(boxed))


def _look_around(pixels: Pixels, line: TextLine, angle_deg: float) -> Slanting:
    height = max(line.height, 4.0)
    own = line.box_in(angle_deg)
    left, top = own.x1 - ALONG * height, own.y1 - ACROSS * height
    width, depth = own.width + 2 * ALONG * height, own.height + 2 * ACROSS * height
    corner = turned_back(np.array([left, top]), angle_deg)
    crop = upright_crop(pixels, corner, angle_deg, round(width), round(depth))
    ink = find_ink(crop)
    level, upright = long_runs(ink, max(8, round(1.2 * height)))
    size = CellSize(1.1 * height, 5.0 * height, 0.2 * height + 3)
    frames = find_frames(
        crop, ink, frame_shapes(find_rows(level, upright, size), level, upright, size),
        (left, top), angle_deg,
    )  # fmt: skip
    used = {row for frame in frames for row in frame.members}
    rows = [each for each in find_rows(level, upright, size) if each not in used]
    boxed = [
        TurnedBox(each.box.moved(left, top), angle_deg)
        for each in lone_cells(rows)
        if each.box.width < own.width + 3 * height
    ]
    return Slanting(tuple(frames), tuple(boxed))


def _middle(line: TextLine) -> Point:
    x, y = line.polygon.mean(axis=0)
    return float(x), float(y)
