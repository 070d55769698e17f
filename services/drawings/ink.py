"""What is drawn on a picture: ink, long straight lines, and connected shapes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.drawings.geometry import Box, FloatArray

Pixels = NDArray[np.uint8]
Ink = NDArray[np.bool_]  # (height, width); True where something is drawn
FAINT = 0.75  # how far towards the paper's grey faint ink reaches
BLOCK_ROWS = 1024  # rows that are looked at together, which bounds memory


def find_ink(pixels: Pixels, *, is_faint_ink: bool = False) -> Ink:
    """Which pixels are drawn, dark on light or light on dark.

    Args:
        pixels: (height, width, 3) uint8 RGB.
        is_faint_ink: whether what is hardly darker than the paper counts too: thin grey lines, and
            specks.
    """
    grey = np.empty(pixels.shape[:2], np.uint8)
    for top in range(0, len(pixels), BLOCK_ROWS):
        grey[top : top + BLOCK_ROWS] = pixels[top : top + BLOCK_ROWS].mean(axis=2)
    counts = np.bincount(grey.ravel(), minlength=256).astype(float)
    threshold = _otsu(counts)
    is_light_paper = counts[: threshold + 1].sum() <= 0.5 * grey.size
    if is_faint_ink:
        threshold += round(FAINT * (int(counts.argmax()) - threshold))
    return grey <= threshold if is_light_paper else grey > threshold


def _otsu(counts: FloatArray) -> int:
    """The grey that separates paper from ink best (Otsu 1979), of how often each grey occurs."""
    below = np.cumsum(counts)
    above = below[-1] - below
    weighted = np.cumsum(counts * np.arange(256))
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = weighted / below - (weighted[-1] - weighted) / above
        spread = np.nan_to_num(below * above * gap**2, nan=0.0, posinf=0.0)
    best = np.flatnonzero(spread == spread.max())
    return int(best[len(best) // 2])  # the middle of an empty range of greys


def long_runs(ink: Ink, least: int) -> tuple[FloatArray, FloatArray]:
    """Level and upright lines: runs of ink at least ``least`` pixels long, joined to one line.

    Returns:
        Two arrays (n, 3) sorted by the first value: (y, x1, x2) and (x, y1, y2).
    """
    return _runs_along(ink, least), _runs_along(ink.T, least)


def _runs_along(ink: Ink, least: int) -> FloatArray:
    found: list[tuple[float, float, float]] = []
    open_lines: list[list[float]] = []  # first row, last row, x1, x2
    for top in range(0, len(ink), BLOCK_ROWS):
        rows, starts, ends = _runs(np.ascontiguousarray(ink[top : top + BLOCK_ROWS]), least)
        for row, start, end in zip(
            (rows + top).tolist(), starts.tolist(), ends.tolist(), strict=True
        ):
            still_open = []
            joined = False
            for line in open_lines:
                if row - line[1] > 2:
                    found.append(((line[0] + line[1]) / 2 + 0.5, line[2], line[3]))
                    continue
                still_open.append(line)
                if not joined and start <= line[3] and end >= line[2]:
                    line[1] = row
                    line[2], line[3] = min(line[2], start), max(line[3], end)
                    joined = True
            open_lines = still_open
            if not joined:
                open_lines.append([row, row, start, end])
    found += [((line[0] + line[1]) / 2 + 0.5, line[2], line[3]) for line in open_lines]
    lines = np.array(found, float).reshape(-1, 3)
    return lines[np.argsort(lines[:, 0], kind="stable")]


def _runs(ink: Ink, least: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Rows, starts and ends (exclusive) of runs of True at least ``least`` long."""
    padded = np.zeros((len(ink), ink.shape[1] + 2), np.int8)
    padded[:, 1:-1] = ink
    steps = np.diff(padded, axis=1)
    rows, starts = np.nonzero(steps == 1)
    _, ends = np.nonzero(steps == -1)
    is_long = ends - starts >= least
    return rows[is_long], starts[is_long], ends[is_long]


def without_long_runs(ink: Ink, least: int) -> Ink:
    """Ink without level and upright lines of at least ``least`` pixels."""
    left = ink.copy()
    for array, source in ((left, ink), (left.T, ink.T)):
        for row, start, end in zip(*_runs(np.ascontiguousarray(source), least), strict=True):
            array[row, start:end] = False
    return left


@dataclass(frozen=True, eq=False)
class Shape:
    """Connected ink."""

    box: Box  # in the picture it was found in
    ink: Ink  # (height, width) inside its box

    @property
    def points(self) -> FloatArray:
        """(n, 2) middles of its pixels, x and y, in the picture."""
        rows, columns = np.nonzero(self.ink)
        return np.stack([columns + 0.5 + self.box.x1, rows + 0.5 + self.box.y1], axis=1)


def find_shapes(ink: Ink, least_pixels: int = 4) -> Iterator[Shape]:
    """Connected shapes (eight neighbours) of a small picture, larger than specks.

    Args:
        ink: (height, width); its runs are joined by union-find.
        least_pixels: smaller shapes are specks.
    """
    rows, starts, ends = _runs(ink, 1)
    parents = np.arange(len(rows))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = int(parents[index])
        return index

    begin = np.searchsorted(rows, np.arange(len(ink) + 1))
    for row in range(1, len(ink)):
        above, here = begin[row - 1], begin[row]
        while above < begin[row] and here < begin[row + 1]:
            if starts[above] <= ends[here] and starts[here] <= ends[above]:
                parents[root(int(here))] = root(int(above))
            if ends[above] < ends[here]:
                above += 1
            else:
                here += 1
    roots = np.array([root(index) for index in range(len(rows))], int)
    order = np.argsort(roots, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(roots[order])) + 1):
        if (ends[members] - starts[members]).sum() < least_pixels:
            continue
        top, bottom = int(rows[members].min()), int(rows[members].max()) + 1
        left, right = int(starts[members].min()), int(ends[members].max())
        inside = np.zeros((bottom - top, right - left), bool)
        for row, start, end in zip(rows[members], starts[members], ends[members], strict=True):
            inside[row - top, start - left : end - left] = True
        yield Shape(Box(left, top, right, bottom), inside)


def upright_crop(
    pixels: Pixels, corner: FloatArray, angle_deg: float, width: int, height: int
) -> Pixels:
    """A turned rectangle of a picture, upright; outside the picture it is white.

    Args:
        pixels: (height, width, 3) uint8.
        corner: (2,) its own top left, in pixels.
        angle_deg: direction of its x axis, clockwise.
        width: of the crop, px.
        height: of the crop, px.
    """
    angle = np.deg2rad(angle_deg)
    across, down = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    x = corner[0] + across * np.cos(angle) - down * np.sin(angle) - 0.5
    y = corner[1] + across * np.sin(angle) + down * np.cos(angle) - 0.5
    crop = np.full((height, width, 3), 255, np.uint8)
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    inside = (
        (column >= 0) & (row >= 0) & (column < pixels.shape[1] - 1) & (row < pixels.shape[0] - 1)
    )
    (
        column,
        row,
    ) = column[inside], row[inside]
    right, low = (x[inside] - column)[:, None], (y[inside] - row)[:, None]
    crop[inside] = (
        (
            pixels[row, column] * (1 - right) * (1 - low)
            + pixels[row, column + 1] * right * (1 - low)
            + pixels[row + 1, column] * (1 - right) * low
            + pixels[row + 1, column + 1] * right * low
        )
        .round()
        .astype(np.uint8)
    )
    return crop


def thinned(ink: Ink) -> Ink:
    """Lines one pixel wide in the middle of the drawn ones.

    Zhang and Suen (1984) with the bound of Lü and Wang (1986), which keeps slanting lines.

    Args:
        ink: (height, width) of one small shape.
    """
    shape = np.pad(ink, 1)
    while True:
        before = shape.copy()
        for first_half in (True, False):
            ring = [
                shape[:-2, 1:-1], shape[:-2, 2:], shape[1:-1, 2:], shape[2:, 2:],
                shape[2:, 1:-1], shape[2:, :-2], shape[1:-1, :-2], shape[:-2, :-2],
            ]  # fmt: skip
            count = sum(each.astype(np.int8) for each in ring)
            steps = sum(
                (~each & after).astype(np.int8)
                for each, after in zip(ring, [*ring[1:], ring[0]], strict=True)
            )
            north, east, south, west = ring[0], ring[2], ring[4], ring[6]
            if first_half:
                is_edge = ~(north & east & south) & ~(east & south & west)
            else:
                is_edge = ~(north & east & west) & ~(north & south & west)
            removed = shape[1:-1, 1:-1] & (count >= 3) & (count <= 6) & (steps == 1) & is_edge
            shape[1:-1, 1:-1] &= ~removed
        if (shape == before).all():
            return shape[1:-1, 1:-1]
