"""Columns, held to their definition written out row by row."""

from itertools import product

import numpy as np
import pytest

from services.ocr.columns import LEAST_LINES, RUNNING_TEXT, Boxes, ColumnSearch

GAP_PX = 20.0


def boxes_of(rows):
    """Boxes and rows of lines given as (left, right), 30 px high and 40 px apart."""
    extents = np.array([line for row in rows for line in row], float)
    tops = np.repeat(np.arange(len(rows)) * 40.0, [len(row) for row in rows])
    numbers = iter(range(len(extents)))
    return (
        Boxes(extents[:, 0], tops, extents[:, 1], tops + 30),
        [[next(numbers) for _ in row] for row in rows],
    )


def defined_band(rows, start):
    """The longest band by its definition: all bands, all lines of each, one after the other."""
    best = (start + 1, None)
    for end in range(start + 1, len(rows) + 1):
        members = [line for row in rows[start:end] for line in row]
        edges = sorted({edge for line in members for edge in line})
        gaps = [
            (a, b)
            for a, b in product(edges, edges)
            if b - a >= GAP_PX and not any(left < b and right > a for left, right in members)
        ]
        parting = []
        for gap in gaps:
            left = [line for line in members if line[1] <= gap[0]]
            right = [line for line in members if line[0] >= gap[1]]
            if all(
                len(side) >= LEAST_LINES
                and np.median([(b - a) / 30 for a, b in side]) >= RUNNING_TEXT
                for side in (left, right)
            ):
                parting.append(gap)
        if parting:
            best = (end, max(parting, key=lambda gap: gap[1] - gap[0]))
    return best


@pytest.mark.parametrize("seed", range(40))
def test_bands_are_those_of_the_definition(seed):
    chance = np.random.default_rng(seed)
    kinds = [[(0, 500)], [(0, 220), (250, 480)], [(0, 130), (200, 260), (300, 480)]]
    rows = []
    while len(rows) < 9:
        kind = kinds[chance.integers(len(kinds))]
        for _ in range(chance.integers(1, 5)):
            row = [(a, a + (b - a) * chance.choice([1, chance.uniform(0.2, 1)])) for a, b in kind]
            rows.append([line for line in row if chance.random() < 0.9] or row)

    search = ColumnSearch(*boxes_of(rows), least_gap_px=GAP_PX)

    for start in range(len(rows)):
        assert search.longest_band(start) == defined_band(rows, start)


def test_thousand_rows_of_articles_and_prices_are_no_columns():
    rows = [[(0, 300), (500, 550)]] * 1000

    search = ColumnSearch(*boxes_of(rows), least_gap_px=GAP_PX)

    assert search.longest_band(0) == (1, None)


def test_thousand_rows_of_two_columns_are_one_band():
    rows = [[(0, 300), (350, 650)]] * 1000

    search = ColumnSearch(*boxes_of(rows), least_gap_px=GAP_PX)

    assert search.longest_band(0) == (1000, (300, 350))
