"""Find columns: bands of rows that leave the same gap free, with running text on both sides of it.

A page may hold thousands of rows, and each may begin a band that ends with any later one. Lines on
both sides of a gap are therefore counted by differences of running sums, and rows from which no
band can come are passed over.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RUNNING_TEXT = 4.0
"""Length over height from which a line counts as running text rather than a cell."""
LEAST_LINES = 2
"""Lines on a side of a gap that make a column."""
_MOST_REMEMBERED = 64

Span = tuple[float, float]


@dataclass(frozen=True)
class Boxes:
    """Boxes of the lines on the upright page, in px."""

    left: NDArray[np.float64]
    top: NDArray[np.float64]
    right: NDArray[np.float64]
    bottom: NDArray[np.float64]

    @property
    def height(self) -> NDArray[np.float64]:
        """Of each box."""
        return self.bottom - self.top


class ColumnSearch:
    """The rows of a part of a page, in which columns are looked for."""

    def __init__(self, boxes: Boxes, rows: Sequence[Sequence[int]], *, least_gap_px: float) -> None:
        """Prepare the search.

        Args:
            boxes: of all lines.
            rows: indices of the lines, by row from the top, each from the left; none is empty.
            least_gap_px: width from which a gap may part columns.
        """
        self._least_gap_px = least_gap_px
        self._free = [_free_spans(boxes, row) for row in rows]
        lines = [line for row in rows for line in row]
        self._ends = np.cumsum([0, *(len(row) for row in rows)])  # of rows, in ``lines``
        left, self._right = boxes.left[lines], boxes.right[lines]
        self._length = (self._right - left) / np.maximum(boxes.height[lines], 1e-6)  # in heights
        self._is_running = self._length >= RUNNING_TEXT
        # A band holds at least as many lines of running text as others, so this does not fall.
        excess = np.append(0, np.cumsum(np.where(self._is_running, 1, -1)))[self._ends]
        self._excess = excess.tolist()
        self._most_excess = _from_the_end(excess, np.maximum)
        starts = self._ends[:-1]
        self._last_left = _from_the_end(np.maximum.reduceat(left, starts), np.maximum)
        self._first_right = _from_the_end(np.minimum.reduceat(self._right, starts), np.minimum)
        self._known: dict[float, tuple[NDArray[np.bool_], NDArray[np.int64]]] = {}

    def longest_band(self, start: int) -> tuple[int, Span | None]:
        """The longest band of columns from row ``start`` on.

        Returns:
            The row after it, and its widest gap; the next row and None if there is no band.
        """
        best: tuple[int, Span | None] = (start + 1, None)
        if self._most_excess[start + 1] < self._excess[start]:
            return best
        gaps = [(-math.inf, math.inf)]
        for end in range(start + 1, len(self._free) + 1):
            shared = _common(gaps, self._free[end - 1])
            gaps = [gap for gap in shared if gap[1] - gap[0] >= self._least_gap_px]
            inner = gaps[1:-1]  # the first and the last lie beside the text
            if not inner and not self._may_open(gaps, end):
                break
            if self._excess[end] < self._excess[start]:
                continue
            parting = [gap for gap in inner if self._parts_text(start, end, sum(gap) / 2)]
            if parting:
                best = (end, max(parting, key=lambda gap: gap[1] - gap[0]))
        return best

    def _may_open(self, gaps: Sequence[Span], end: int) -> bool:
        """Whether a row from ``end`` on has a line wholly beside those before, with a gap."""
        if end == len(self._free):
            return False
        return (
            self._last_left[end] - gaps[-1][0] >= self._least_gap_px
            or gaps[0][1] - self._first_right[end] >= self._least_gap_px
        )

    def _parts_text(self, start: int, end: int, middle: float) -> bool:
        """Whether enough lines, of running text in the median, stand on both sides."""
        is_left, sums = self._counted(middle)
        lines, running = (sums[end] - sums[start]).tolist()  # left and right
        if min(lines) < LEAST_LINES or any(
            2 * some < all_ for some, all_ in zip(running, lines, strict=True)
        ):
            return False
        band = slice(self._ends[start], self._ends[end])
        sides = (is_left[band], ~is_left[band])
        return all(
            2 * some > all_ or np.median(self._length[band][side]) >= RUNNING_TEXT
            for some, all_, side in zip(running, lines, sides, strict=True)
        )

    def _counted(self, middle: float) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Which lines stand to the left of ``middle``, and sums over all rows before each row.

        The sums are (n_rows + 1, 2, 2): lines and those of running text, to the left and right.
        """
        if middle not in self._known:
            if len(self._known) == _MOST_REMEMBERED:
                self._known.clear()
            is_left = self._right <= middle
            sides = np.stack([is_left, ~is_left], axis=1)  # (n_lines, 2)
            kinds = np.stack([sides, sides & self._is_running[:, None]], axis=1)
            sums = np.concatenate([np.zeros((1, 2, 2), np.int64), np.cumsum(kinds, axis=0)])
            self._known[middle] = is_left, sums[self._ends]
        return self._known[middle]


def _from_the_end(values: NDArray[Any], extreme: np.ufunc) -> list[float]:
    """For each place the extreme of all values from there on."""
    reached: list[float] = extreme.accumulate(values[::-1])[::-1].tolist()
    return reached


def _free_spans(boxes: Boxes, row: Sequence[int]) -> list[Span]:
    """Free spans of a row, its two ends included."""
    spans, reached = [], -math.inf
    for line in row:  # from the left
        if boxes.left[line] > reached:
            spans.append((reached, float(boxes.left[line])))
        reached = max(reached, float(boxes.right[line]))
    return [*spans, (reached, math.inf)]


def _common(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """What two lists of spans, each in order, have in common."""
    shared, one, other = [], 0, 0
    while one < len(some) and other < len(others):
        first, last = max(some[one][0], others[other][0]), min(some[one][1], others[other][1])
        if last > first:
            shared.append((first, last))
        if some[one][1] < others[other][1]:
            one += 1
        else:
            other += 1
    return shared
