"""Find the parts of a sheet that white space separates: views, tables, title block, lone text.

The OCR is sent these instead of the whole sheet: white paper costs nothing, and each part is read
at the size that its own letters need. No letter is cut in two, as only white paper is cut.
"""

from collections.abc import Sequence

import numpy as np

from services.drawings.content import find_border
from services.drawings.geometry import Box, around
from services.drawings.ink import BLOCK_ROWS, Ink, find_shapes, long_runs

GAP = 0.009  # white space between two views, as a share of the sheet's longer side
LEAST_GAP_PX = 12.0
CELLS_PER_GAP = 4  # the sheet is looked at in square cells of this share of the gap
ASKEW_CELLS = 2  # how far a line of the border may drift across the sheet
BORDER_CELLS = 1  # how far into the sheet the border's own line may reach
MOST_VIEWS = 40  # with more, the white space between views is taken to be wider
MOST_SHAPES = 10 * MOST_VIEWS


def find_views(ink: Ink, border: Box | None = None) -> list[Box]:
    """Boxes that together hold all ink inside the border, from top to bottom.

    Args:
        ink: (height, width) of the sheet, faint lines too.
        border: inner edge of the sheet's border, which belongs to no view, nor does what lies
            outside; None where no border is known: then one that lies slightly askew is looked for.

    Returns:
        At most ``MOST_VIEWS`` boxes in whole pixels that do not overlap, each with white space
        around its ink; none on an empty sheet.
    """
    height, width = ink.shape
    sheet = Box(0, 0, width, height)
    gap = max(LEAST_GAP_PX, GAP * max(height, width))
    while True:
        side = max(2, round(gap / CELLS_PER_GAP))
        cells = _cells(ink, side)
        edge = border if border is not None else _border_askew(cells, side)
        if edge is not None:
            _clear_outside(cells, edge, side)
        shapes = list(find_shapes(_spread(cells, CELLS_PER_GAP // 2), 1))
        if len(shapes) <= MOST_SHAPES:
            boxes = _joined([_inside(each.box.times(side), sheet) for each in shapes])
            if len(boxes) <= MOST_VIEWS:
                return sorted(boxes, key=lambda each: (each.y1, each.x1))
        gap *= 2


def _cells(ink: Ink, side: int) -> Ink:
    """Which square cells of the sheet hold ink; a strip of rows at a time, to bound memory."""
    height, width = ink.shape
    rows, columns = -(-height // side), -(-width // side)
    cells = np.zeros((rows, columns), bool)
    strip = max(1, BLOCK_ROWS // side)
    for top in range(0, rows, strip):
        part = ink[top * side : (top + strip) * side]
        padded = np.zeros((-(-len(part) // side) * side, columns * side), bool)
        padded[: len(part), :width] = part
        cells[top : top + strip] = padded.reshape(-1, side, columns, side).any(axis=(1, 3))
    return cells


def _border_askew(cells: Ink, side: int) -> Box | None:
    """The border of a sheet that was scanned askew: its lines are unbroken among cells."""
    height, width = cells.shape
    least = min(height, width) // 2
    level, _ = long_runs(_downwards(cells), least)
    _, upright = long_runs(_downwards(cells.T).T, least)
    found = find_border(level, upright, width, height)
    return None if found is None else found.grown(-ASKEW_CELLS).times(side)


def _downwards(cells: Ink) -> Ink:
    """Cells with those below them."""
    spread = cells.copy()
    for step in range(1, ASKEW_CELLS + 1):
        spread[step:] |= cells[:-step]
    return spread


def _clear_outside(cells: Ink, border: Box, side: int) -> None:
    """Take away the border and all outside."""
    left, top = (int(value // side) + 1 + BORDER_CELLS for value in (border.x1, border.y1))
    right, bottom = (int(value // side) - BORDER_CELLS for value in (border.x2, border.y2))
    cells[:top] = cells[bottom:] = False
    cells[:, :left] = cells[:, right:] = False


def _spread(cells: Ink, reach: int) -> Ink:
    """Cells within ``reach`` of one with ink."""
    spread = cells
    for _ in range(2):
        wide = spread.copy()
        for step in range(1, reach + 1):
            wide[step:] |= spread[:-step]
            wide[:-step] |= spread[step:]
        spread = wide.T
    return spread


def _inside(box: Box, sheet: Box) -> Box:
    return Box(
        max(box.x1, sheet.x1), max(box.y1, sheet.y1),
        min(box.x2, sheet.x2), min(box.y2, sheet.y2),
    )  # fmt: skip


def _joined(boxes: Sequence[Box]) -> list[Box]:
    """Boxes joined where they overlap."""
    left = list(boxes)
    done: list[Box] = []
    while left:
        box = left.pop()
        for index, other in enumerate(done):
            if box.overlap(other) > 0:
                left.append(around([box, other]))
                del done[index]
                break
        else:
            done.append(box)
    return done
