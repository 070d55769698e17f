"""Order lines of text as a person reads them: down each column, then the next column.

Lines that run up or down the page are ordered apart, after those of its main direction. The lines
of one direction are first turned upright by the slope of the long ones. Rows of lines are then
gathered into bands; bands that leave the same gap free are one set of columns when both sides hold
running text. Cells of a table, a price beside an article, stay in their row.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.ocr.columns import Boxes, ColumnSearch
from services.ocr.crops import angle_deg
from services.ocr.readings import FloatArray

COLUMN_GAP = 0.8
"""Least width of the gap between two columns, in heights of a line."""
ROW_OVERLAP = 0.5
"""Share of the lower line's height by which lines of one row overlap."""


@dataclass(frozen=True)
class Block:
    """Lines that belong together: a column, or a heading or table between columns."""

    rows: tuple[tuple[int, ...], ...]  # indices of the lines, by row, left to right


def reading_order(polygons: Sequence[FloatArray]) -> list[Block]:
    """Order lines.

    Args:
        polygons: for each line (4, 2), in pixels, clockwise from the text's own top left.

    Returns:
        Blocks in reading order; each index of ``polygons`` occurs once.
    """
    blocks: list[Block] = []
    for quarter, lines in _by_direction(polygons):
        boxes = _upright_boxes([_turned(polygons[line], -90.0 * quarter) for line in lines])
        typical_px = float(np.median(np.minimum(boxes.height, boxes.right - boxes.left)))
        for block in _order(boxes, list(range(len(lines))), max(typical_px, 1.0)):
            rows = (tuple(lines[index] for index in row) for row in block.rows)
            blocks.append(Block(tuple(rows)))
    return blocks


def _by_direction(polygons: Sequence[FloatArray]) -> list[tuple[int, list[int]]]:
    """Lines by the quarter turn (0 to 3, clockwise) they run in, the most text first."""
    groups: dict[int, list[int]] = {}
    lengths: dict[int, float] = {}
    for line, polygon in enumerate(polygons):
        quarter = round(angle_deg(polygon) / 90) % 4
        groups.setdefault(quarter, []).append(line)
        length = float(np.linalg.norm(polygon[1] - polygon[0]))
        lengths[quarter] = lengths.get(quarter, 0.0) + length
    return sorted(groups.items(), key=lambda each: -lengths[each[0]])


def _turned(polygon: FloatArray, degrees: float) -> FloatArray:
    """A polygon turned clockwise about the origin."""
    turn = math.radians(degrees)
    matrix = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    return np.asarray(polygon @ matrix.T, np.float32)


def page_slope_deg(polygons: Sequence[FloatArray]) -> float:
    """Slope of the page from its lines, each weighted by its length; 0 where it is not clear.

    Lines turned by more than 45 degrees are not lines of the page's own direction.
    """
    lengths = [float(np.linalg.norm(p[1] - p[0])) for p in polygons]
    angles = [angle_deg(p) for p in polygons]
    level = sorted((a, n) for a, n in zip(angles, lengths, strict=True) if abs(a) <= 45)
    if not level:
        return 0.0
    half, passed = sum(n for _, n in level) / 2, 0.0
    for angle, length in level:
        passed += length
        if passed >= half:
            return angle
    raise AssertionError("the weighted median lies within the list")


def _upright_boxes(polygons: Sequence[FloatArray]) -> Boxes:
    slope = page_slope_deg(polygons)
    upright = np.array([_turned(each, -slope) for each in polygons], np.float64)  # (n, 4, 2)
    (left, top), (right, bottom) = upright.min(axis=1).T, upright.max(axis=1).T
    return Boxes(left, top, right, bottom)


def _order(boxes: Boxes, lines: list[int], typical_px: float) -> list[Block]:
    blocks: list[Block] = []
    loose: list[tuple[int, ...]] = []  # rows outside of columns
    rows = _rows(boxes, lines)
    columns = ColumnSearch(boxes, rows, least_gap_px=COLUMN_GAP * typical_px)
    at = 0
    while at < len(rows):
        end, gap = columns.longest_band(at)
        if gap is None:
            loose.append(tuple(rows[at]))
            at += 1
            continue
        if loose:
            blocks.append(Block(tuple(loose)))
            loose = []
        members = [line for row in rows[at:end] for line in row]
        middle = (gap[0] + gap[1]) / 2
        for part in _sides(boxes, members, middle):
            blocks.extend(_order(boxes, part, typical_px))
        at = end
    if loose:
        blocks.append(Block(tuple(loose)))
    return blocks


def _rows(boxes: Boxes, lines: list[int]) -> list[list[int]]:
    """Rows from the top, each from the left: a line joins a row that it mostly overlaps."""
    rows: list[list[int]] = []
    for line in sorted(lines, key=lambda each: (boxes.top[each] + boxes.bottom[each]) / 2):
        for row in reversed(rows[-3:]):
            if _overlap(boxes, row[-1], line) >= ROW_OVERLAP and _fits(boxes, row, line):
                row.append(line)
                break
        else:
            rows.append([line])
    return [sorted(row, key=lambda each: float(boxes.left[each])) for row in rows]


def _overlap(boxes: Boxes, one: int, other: int) -> float:
    shared = min(boxes.bottom[one], boxes.bottom[other]) - max(boxes.top[one], boxes.top[other])
    return float(shared / max(1e-6, min(boxes.height[one], boxes.height[other])))


def _fits(boxes: Boxes, row: list[int], line: int) -> bool:
    """Whether a line lies beside those of the row rather than below one of them."""
    for each in row:
        shared = min(boxes.right[each], boxes.right[line]) - max(boxes.left[each], boxes.left[line])
        narrow = min(boxes.right[each] - boxes.left[each], boxes.right[line] - boxes.left[line])
        if shared > 0.5 * narrow:
            return False
    return True


def _sides(boxes: Boxes, lines: list[int], middle: float) -> tuple[list[int], list[int]]:
    """Lines to the left and to the right of a gap."""
    is_left = {line: float(boxes.right[line]) <= middle for line in lines}
    return [line for line in lines if is_left[line]], [line for line in lines if not is_left[line]]
