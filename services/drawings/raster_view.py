"""Read a view of pixels: lines of text by OCR, frames and tables from the drawn lines.

The OCR reads the view as a whole first. What that does not read well goes to it a second time, on
a sheet of cuttings: the compartments of tolerance frames, without the signs that were recognised
here; and the places of doubtful lines, enlarged, both as they are and turned by a quarter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.drawings.cells import CellSize, Row, find_rows, tables
from services.drawings.content import (
    PageContent,
    lone_cells,
)
from services.drawings.frame_shapes import frame_shapes
from services.drawings.geometry import Box, TurnedBox, around, slant_deg, turned_back
from services.drawings.ink import Pixels, find_ink, long_runs, upright_crop
from services.drawings.lines import TextLine
from services.drawings.raster_frames import RasterFrame, SecondReading, find_frames, read_cells
from services.drawings.raster_lines import clean, without_doubles, without_strokes
from services.drawings.raster_marks import with_degrees, with_diameters
from services.drawings.raster_slants import SLANT_DEG, find_slanting
from services.drawings.sheet import scaled

SURE = 0.97  # confidence of lines that are not read again
LETTER_PX = 36  # height of letters on the sheet of cuttings
SMALL_PX = 15.0  # letters below this height are read enlarged
READABLE_PX = 26.0  # height that they are enlarged to
MOST_SCALE = 3.0


@dataclass(frozen=True)
class Region:
    """A part of the view that is read again, upright on the sheet."""

    corner: tuple[float, float]  # in the view: what is the picture's top left
    angle_deg: float  # direction in the view of the picture's x axis
    scale: float


@dataclass(frozen=True)
class RasterView:
    """A view between its first and its second reading."""

    width: int
    height: int
    lines: tuple[TextLine, ...]
    rows: tuple[Row, ...]
    frames: tuple[RasterFrame, ...]
    boxed: tuple[TurnedBox, ...]  # boxes around slanting values
    tables: tuple[Box, ...]
    regions: tuple[Region, ...]
    pictures: tuple[Pixels, ...]  # to read again: first the frames' cuttings, then the regions


def enlargement(letter_heights: Sequence[float]) -> float:
    """How much larger a view should be read whose letters are too small for the OCR; 1 for others.

    Args:
        letter_heights: of the lines of the first reading, px.
    """
    usual = float(np.median(letter_heights)) if len(letter_heights) else SMALL_PX
    return 1.0 if usual >= SMALL_PX else min(MOST_SCALE, READABLE_PX / max(usual, 1.0))


def prepare(pixels: Pixels, lines: Sequence[TextLine], most_doubtful: int) -> RasterView:
    """Find what the drawn lines enclose, and what is to be read again.

    Args:
        pixels: (height, width, 3) uint8 RGB.
        lines: of the first reading, in pixels of the picture.
        most_doubtful: lines that are read again at most.
    """
    height, width = pixels.shape[:2]
    ink = find_ink(pixels)
    heights = [each.height for each in lines] or [20.0]
    low, high = (float(each) for each in np.percentile(heights, [20, 90]))
    level, upright = long_runs(ink, max(8, round(1.2 * low)))
    size = CellSize(1.1 * low, 5.0 * high, 0.15 * low + 3)
    rows = find_rows(level, upright, size)
    slanting = find_slanting(pixels, lines)
    frames = [
        *find_frames(pixels, ink, frame_shapes(rows, level, upright, size)), *slanting.frames
    ]  # fmt: skip
    used = {row for frame in frames for row in frame.members}
    areas = tables([row for row in rows if row not in used], level, upright, 0.3 * low + 3)
    read = [
        line for line in without_doubles([clean(each) for each in lines])
        if line.text and not any(frame.place.holds(line.box.centre) for frame in frames)
    ]  # fmt: skip
    doubtful = [
        line for line in read
        if _is_doubtful(line) and not any(area.holds(line.box.centre) for area in areas)
    ]  # fmt: skip
    regions, pictures = _cut_regions(pixels, doubtful[:most_doubtful])
    pieces = [picture for frame in frames for picture in frame.pictures]
    return RasterView(
        width, height, tuple(read), tuple(rows), tuple(frames), slanting.boxed,
        tuple(areas), tuple(regions), (*pieces, *pictures),
    )  # fmt: skip


def finish(view: RasterView, pixels: Pixels, again: SecondReading, *, page: int) -> PageContent:
    """Bring both readings together.

    Args:
        view: as ``prepare`` gave it.
        pixels: the picture.
        again: what the OCR read of the view's pictures.
        page: number of the page, from 1.

    Returns:
        What stands in the view, in its pixels.
    """
    index, frames = 0, []
    for frame in view.frames:
        cells, index = read_cells(frame, index, again)
        frames.append(cells)
    second = []
    for region in view.regions:
        second += [
            _in_view(line, again.place(index), region)
            for line in again.in_picture(index)
            if abs(line.angle_deg) < 30
        ]
        index += 1
    both = without_doubles([*view.lines, *(clean(each) for each in second)])
    lines = with_degrees(pixels, with_diameters(pixels, without_strokes(pixels, both)))
    used = {row for frame in view.frames for row in frame.members}
    grid = [row for row in view.rows if row not in used]
    return PageContent(
        page, view.width, view.height, None, tuple(lines), tuple(frames),
        boxed=(*lone_cells(grid), *view.boxed), tables=view.tables,
    )  # fmt: skip


def _is_doubtful(line: TextLine) -> bool:
    """Whether a second look may help: few characters say little of their direction."""
    has_digit = any(each.isdigit() for each in line.text)
    is_short = has_digit and len(line.text.strip()) <= 2
    return is_short or line.confidence < SURE


def _cut_regions(pixels: Pixels, lines: Sequence[TextLine]) -> tuple[list[Region], list[Pixels]]:
    """Pictures of the places of doubtful lines."""
    regions, pictures = [], []
    slanting = [each for each in lines if slant_deg(each.angle_deg) > SLANT_DEG]
    for line in slanting:
        box = line.box_in(line.angle_deg).grown(0.6 * line.height)
        regions.append(_region(box, line.angle_deg, line.height))
        pictures.append(_picture(pixels, regions[-1], box))
    boxes: list[tuple[Box, float]] = []
    for line in lines:
        if slant_deg(line.angle_deg) > SLANT_DEG:
            continue
        joined, height, apart = line.box.grown(1.2 * line.height), line.height, []
        for box, other_height in boxes:
            if joined.overlap(box) > 0:
                joined, height = around([joined, box]), min(height, other_height)
            else:
                apart.append((box, other_height))
        boxes = [*apart, (joined, height)]
    for box, height in boxes:
        for angle_deg in (0.0, -90.0):
            turned_box = _turned_box(box, angle_deg)
            regions.append(_region(turned_box, angle_deg, height))
            pictures.append(_picture(pixels, regions[-1], turned_box))
    return regions, pictures


def _turned_box(box: Box, angle_deg: float) -> Box:
    """An upright box of the view in the frame turned by a multiple of 90 degrees."""
    line = TextLine("", (box.x1, box.y1), box.width, box.height, 0.0)
    return line.box_in(angle_deg)


def _region(box: Box, angle_deg: float, letter_height: float) -> Region:
    corner = turned_back(np.array([box.x1, box.y1]), angle_deg)
    scale = min(MOST_SCALE, max(0.5, LETTER_PX / max(letter_height, 1.0)))
    return Region((float(corner[0]), float(corner[1])), angle_deg, scale)


def _picture(pixels: Pixels, region: Region, box: Box) -> Pixels:
    crop = upright_crop(
        pixels, np.array(region.corner), region.angle_deg, round(box.width), round(box.height)
    )
    return scaled(crop, region.scale)


def _in_view(line: TextLine, place: Box, region: Region) -> TextLine:
    """A line of the sheet, in the view."""
    local = (np.array(line.corner) - [place.x1, place.y1]) / region.scale
    corner = turned_back(local, region.angle_deg) + np.array(region.corner)
    return replace(
        line,
        corner=(float(corner[0]), float(corner[1])),
        length=line.length / region.scale,
        height=line.height / region.scale,
        angle_deg=line.angle_deg + region.angle_deg,
    )
