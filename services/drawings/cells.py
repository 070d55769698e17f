"""Find cells, upright boxes that lines enclose, and rows of them: frames, tables, boxed values."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from services.drawings.geometry import Box, FloatArray, around

LEAST_FILL = 0.45  # share of a table that its cells cover; a view with frames has gaps
LEAST_SIDE = 0.85  # share of each side of a table that is drawn
MAX_PAIRS = 200_000  # pairs of lines that are looked at; a sheet with more is all hatching


@dataclass(frozen=True)
class Row:
    """Cells side by side that share their top and bottom line."""

    cells: tuple[Box, ...]  # from left to right
    is_upright: bool = True  # False: the page was turned by a quarter, so they run upwards

    @property
    def box(self) -> Box:
        """The box around all."""
        return around(self.cells)


@dataclass(frozen=True)
class CellSize:
    """What counts as a cell, in pixels."""

    least: float  # height
    most: float  # height
    tolerance: float  # of ends that should meet


def straight_lines(
    starts: FloatArray, ends: FloatArray, tolerance: float
) -> tuple[FloatArray, FloatArray]:
    """The level and the upright pieces among straight pieces.

    Args:
        starts: (n, 2) points.
        ends: (n, 2) points.
        tolerance: largest deviation over the whole length, in pixels.

    Returns:
        Two arrays (m, 3), joined where they touch: (y, x1, x2) of level pieces, (x, y1, y2) of
        upright ones, each sorted by the first value.
    """
    found = []
    for along, across in ((0, 1), (1, 0)):
        extent = np.abs(ends - starts)
        is_straight = (extent[:, across] <= tolerance) & (extent[:, along] > tolerance)
        first, second = starts[is_straight], ends[is_straight]
        place = (first[:, across] + second[:, across]) / 2
        low = np.minimum(first[:, along], second[:, along])
        high = np.maximum(first[:, along], second[:, along])
        found.append(_joined(np.stack([place, low, high], axis=1), tolerance))
    return found[0], found[1]


def _joined(pieces: FloatArray, tolerance: float) -> FloatArray:
    """Join pieces that lie on one line and touch."""
    if not len(pieces):
        return pieces.reshape(0, 3)
    pieces = pieces[np.argsort(pieces[:, 0], kind="stable")]
    groups = np.concatenate([[0], np.cumsum(np.diff(pieces[:, 0]) > tolerance)])
    joined: list[list[float]] = []
    for group in range(int(groups[-1]) + 1):
        members = pieces[groups == group] if groups[-1] < 50 else None
        if members is None:
            begin, end = np.searchsorted(groups, [group, group + 1])
            members = pieces[begin:end]
        place = float(np.median(members[:, 0]))
        members = members[np.argsort(members[:, 1], kind="stable")]
        low, high = float(members[0, 1]), float(members[0, 2])
        for _, next_low, next_high in members[1:]:
            if next_low <= high + tolerance:
                high = max(high, float(next_high))
            else:
                joined.append([place, low, high])
                low, high = float(next_low), float(next_high)
        joined.append([place, low, high])
    return np.array(joined)


def find_rows(level: FloatArray, upright: FloatArray, size: CellSize) -> list[Row]:
    """Rows of cells, both ways round.

    Args:
        level: (n, 3) lines (y, x1, x2).
        upright: (m, 3) lines (x, y1, y2).
        size: what counts as a cell.
    """
    rows = [Row(cells) for cells in _rows_one_way(level, upright, size)]
    for cells in _rows_one_way(upright, level, size):
        # The turned frame has x and y exchanged; text that runs upwards begins at the bottom.
        swapped = tuple(Box(each.y1, each.x1, each.y2, each.x2) for each in reversed(cells))
        rows.append(Row(swapped, is_upright=False))
    return rows


def _rows_one_way(
    level: FloatArray, upright: FloatArray, size: CellSize
) -> Iterator[tuple[Box, ...]]:
    if not len(level) or not len(upright):
        return
    places = level[:, 0]
    looked_at = 0
    for index, (top, left, right) in enumerate(level):
        first, last = np.searchsorted(places, [top + size.least, top + size.most])
        for bottom, other_left, other_right in level[max(first, index + 1) : last]:
            looked_at += 1
            if looked_at > MAX_PAIRS:
                return
            begin, end = max(left, other_left), min(right, other_right)
            if end - begin < 0.5 * size.least:
                continue
            yield from _rows_of_strip(
                level, upright, Box(float(begin), float(top), float(end), float(bottom)), size
            )


def _rows_of_strip(
    level: FloatArray, upright: FloatArray, strip: Box, size: CellSize
) -> Iterator[tuple[Box, ...]]:
    tolerance = size.tolerance
    first, last = np.searchsorted(upright[:, 0], [strip.x1 - tolerance, strip.x2 + tolerance])
    sides = upright[first:last]
    sides = sides[(sides[:, 1] <= strip.y1 + tolerance) & (sides[:, 2] >= strip.y2 - tolerance)]
    first, last = np.searchsorted(level[:, 0], [strip.y1 + tolerance, strip.y2 - tolerance])
    between = level[first:last]
    row: list[Box] = []
    for left, right in zip(sides[:-1, 0], sides[1:, 0], strict=True):
        if right - left <= 2 * tolerance:
            continue
        is_crossed = (
            (between[:, 1] <= left + tolerance) & (between[:, 2] >= right - tolerance)
        ).any()
        if not is_crossed and (not row or row[-1].x2 == left):
            row.append(Box(float(left), strip.y1, float(right), strip.y2))
            continue
        if row:
            yield tuple(row)
        row = [] if is_crossed else [Box(float(left), strip.y1, float(right), strip.y2)]
    if row:
        yield tuple(row)


def tables(
    rows: Sequence[Row], level: FloatArray, upright: FloatArray, gap: float, least_cells: int = 8
) -> list[Box]:
    """Rectangles full of touching cells: title block, parts list.

    Lines of a view and its dimensions enclose cells too, but there is no rectangle around them.

    Args:
        rows: rows of cells.
        level: (n, 3) lines (y, x1, x2).
        upright: (m, 3) lines (x, y1, y2).
        gap: of cells that count as touching, in pixels.
        least_cells: fewer make no table.
    """
    boxes = _without_enclosing({cell for row in rows for cell in row.cells})
    if not boxes:
        return []
    corners = np.array([[each.x1, each.y1, each.x2, each.y2] for each in boxes])
    left = set(range(len(boxes)))
    found = []
    while left:
        group, waiting = [], [left.pop()]
        while waiting:
            index = waiting.pop()
            group.append(index)
            x1, y1, x2, y2 = corners[index]
            touching = np.flatnonzero(
                (corners[:, 0] <= x2 + gap) & (corners[:, 2] >= x1 - gap)
                & (corners[:, 1] <= y2 + gap) & (corners[:, 3] >= y1 - gap)
            )  # fmt: skip
            new = left.intersection(touching.tolist())
            left -= new
            waiting += new
        members = [boxes[each] for each in group]
        area = around(members)
        filled = sum(each.area for each in members)
        is_full = filled > LEAST_FILL * area.area and _is_drawn(area, level, upright, gap)
        if len(members) >= least_cells and is_full:
            found.append(area)
    return found


def _without_enclosing(cells: Iterable[Box]) -> list[Box]:
    """Cells without those that smaller ones lie in."""
    kept: list[Box] = []
    corners = np.zeros((0, 4))
    for cell in sorted(cells, key=lambda each: (each.area, each.y1, each.x1)):
        width = np.minimum(corners[:, 2], cell.x2) - np.maximum(corners[:, 0], cell.x1)
        height = np.minimum(corners[:, 3], cell.y2) - np.maximum(corners[:, 1], cell.y1)
        shared = np.clip(width, 0, None) * np.clip(height, 0, None)
        own = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
        if not (shared > 0.5 * own).any():
            kept.append(cell)
            corners = np.vstack([corners, [cell.x1, cell.y1, cell.x2, cell.y2]])
    return kept


def _is_drawn(area: Box, level: FloatArray, upright: FloatArray, gap: float) -> bool:
    """Whether all four sides of a rectangle are lines."""
    return all(
        _covered(lines, place, low, high, gap) > LEAST_SIDE * (high - low)
        for lines, place, low, high in (
            (level, area.y1, area.x1, area.x2),
            (level, area.y2, area.x1, area.x2),
            (upright, area.x1, area.y1, area.y2),
            (upright, area.x2, area.y1, area.y2),
        )
    )


def _covered(lines: FloatArray, place: float, low: float, high: float, gap: float) -> float:
    """How much of a span the lines at a place cover."""
    first, last = np.searchsorted(lines[:, 0], [place - gap, place + gap])
    covered, end = 0.0, low
    for _, start, stop in sorted(lines[first:last].tolist(), key=lambda each: each[1]):
        covered += max(0.0, min(stop, high) - max(start, end))
        end = max(end, min(stop, high))
    return covered
