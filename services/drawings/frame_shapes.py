"""Which cells may be a feature control frame: rows behind a sign's cell, alone or composite.

In a composite frame (ASME Y14.5, ISO 5458) one sign's cell stands before two or more rows. Frames
that each have their sign and only stand on one another are frames of their own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.drawings.cells import CellSize, Row, find_rows
from services.drawings.geometry import Box, FloatArray, around

SIGN_CELL = (0.5, 2.2)  # width over height of a frame's first cell
SIGN_CELL_COMPOSITE = (0.2, 1.4)  # the same, where it stands before several rows
MOST_ROWS = 4


@dataclass(frozen=True)
class FrameShape:
    """Cells that are a frame if the first of them shows a sign."""

    sign: Box
    rows: tuple[tuple[Box, ...], ...]  # cells behind the sign, from top to bottom
    is_upright: bool
    members: tuple[Row, ...]  # the rows of cells that these are

    @property
    def box(self) -> Box:
        """The box around all."""
        return around([self.sign, *(cell for row in self.rows for cell in row)])


def frame_shapes(
    rows: Sequence[Row], level: FloatArray, upright: FloatArray, size: CellSize
) -> Iterator[FrameShape]:
    """Shapes that frames may have, composite ones first.

    Args:
        rows: rows of cells.
        level: (n, 3) lines (y, x1, x2) that they lie between.
        upright: (m, 3) lines (x, y1, y2).
        size: what counts as one of their cells.
    """
    high = CellSize(1.5 * size.least, MOST_ROWS * size.most / 2, size.tolerance)
    for row in find_rows(level, upright, high):
        if len(row.cells) == 1 and _fits(row.cells[0], row, SIGN_CELL_COMPOSITE):
            behind = _stack_behind(row, rows, size.tolerance)
            if len(behind) > 1:
                yield FrameShape(
                    row.cells[0], tuple(each.cells for each in behind), row.is_upright,
                    (row, *behind),
                )  # fmt: skip
    for row in rows:
        if len(row.cells) > 1 and _fits(row.cells[0], row, SIGN_CELL):
            yield FrameShape(row.cells[0], (row.cells[1:],), row.is_upright, (row,))


def _fits(cell: Box, row: Row, bounds: tuple[float, float]) -> bool:
    own = _along_text(cell, row)
    return bounds[0] < own.width / own.height < bounds[1]


def _stack_behind(sign: Row, rows: Sequence[Row], tolerance: float) -> list[Row]:
    """Rows that begin where the sign's cell ends, and share its height between them."""
    own = _along_text(sign.cells[0], sign)
    placed = [
        (_along_text(row.box, row), row)
        for row in rows
        if row.is_upright == sign.is_upright and row is not sign
    ]
    behind: list[Row] = []
    top = own.y1
    while len(behind) < MOST_ROWS and own.y2 - top > tolerance:
        following = next(
            ((box, row) for box, row in placed
             if abs(box.x1 - own.x2) <= tolerance and abs(box.y1 - top) <= tolerance
             and box.y2 <= own.y2 + tolerance and box.height < 0.8 * own.height), None,
        )  # fmt: skip
        if following is None:
            return []
        behind.append(following[1])
        top = following[0].y2
    return behind if own.y2 - top <= tolerance else []


def _along_text(box: Box, row: Row) -> Box:
    """A box in the frame of the row's text, which runs to the right or up the page."""
    return box if row.is_upright else Box(-box.y2, box.x1, -box.y1, box.x2)
