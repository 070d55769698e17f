import numpy as np
import pytest

from services.drawings.cells import CellSize, find_rows, straight_lines, tables
from services.drawings.content import find_border
from services.drawings.geometry import Box

SIZE = CellSize(least=10, most=40, tolerance=1)


def lines_of(*boxes):
    """Level and upright lines of boxes whose four sides are drawn."""
    starts, ends = [], []
    for x1, y1, x2, y2 in boxes:
        corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2), (x1, y1)]
        starts += corners[:-1]
        ends += corners[1:]
    return straight_lines(np.array(starts, float), np.array(ends, float), 0.5)


def rows_of(*boxes):
    """Rows of cells whose four sides are drawn."""
    return find_rows(*lines_of(*boxes), SIZE)


def tables_of(*boxes):
    return tables(rows_of(*boxes), *lines_of(*boxes), gap=2)


def upright_boxes(rows):
    return [[(c.x1, c.y1, c.x2, c.y2) for c in row.cells] for row in rows if row.is_upright]


def test_neighbouring_boxes_are_one_row_from_left_to_right():
    rows = rows_of((50, 10, 100, 30), (10, 10, 30, 30), (30, 10, 50, 30))

    assert upright_boxes(rows) == [[(10, 10, 30, 30), (30, 10, 50, 30), (50, 10, 100, 30)]]


def test_frame_that_reads_upwards_begins_at_the_bottom():
    rows = rows_of((10, 50, 30, 100), (10, 100, 30, 120))

    row = next(each for each in rows if not each.is_upright and len(each.cells) == 2)
    assert row.cells == (Box(10, 100, 30, 120), Box(10, 50, 30, 100))


def test_boxes_too_low_or_too_high_for_text_are_no_cells():
    assert upright_boxes(rows_of((0, 0, 50, 5), (0, 100, 200, 160))) == []


def test_a_box_divided_by_a_line_is_two_cells():
    rows = rows_of((0, 0, 60, 15), (0, 15, 60, 30))

    assert upright_boxes(rows) == [[(0, 0, 60, 15)], [(0, 15, 60, 30)]]


def test_pieces_of_a_side_count_as_one_line():
    level, upright = straight_lines(
        np.array([[0, 0], [30, 0.3], [0, 20], [0, 0], [60, 20]], float),
        np.array([[30, 0], [60, 0.3], [60, 20], [0, 20], [60, 0]], float),
        0.5,
    )

    assert len(level) == 2
    assert len(upright_boxes(find_rows(level, upright, SIZE))) == 1


def test_many_touching_cells_are_a_table_and_few_are_none():
    grid = [(30 * i, 20 * j, 30 * i + 30, 20 * j + 20) for i in range(4) for j in range(3)]
    apart = [(500, 500, 520, 520), (520, 500, 560, 520)]

    assert tables_of(*grid, *apart) == [Box(0, 0, 120, 60)]


def test_cells_around_an_empty_field_are_no_table():
    side = [(0, 20 * j, 30, 20 * j + 20) for j in range(10)]
    foot = [(30 * i, 200, 30 * i + 30, 220) for i in range(12)]

    assert tables_of(*side, *foot) == []


def test_cells_between_the_lines_of_a_view_are_no_table():
    stairs = [(30 * i + 15 * j, 20 * j, 30 * i + 15 * j + 30, 20 * j + 20)
              for i in range(4) for j in range(4)]  # fmt: skip

    assert tables_of(*stairs) == []


def test_a_stack_of_two_rows_is_not_counted_twice_over():
    stack = [(0, 0, 20, 15), (20, 0, 60, 15), (60, 0, 80, 15), (0, 15, 20, 30), (20, 15, 80, 30)]

    assert tables_of(*stack) == []


@pytest.mark.parametrize("marks", [True, False])
def test_border_is_the_inner_one_of_two_lines(marks):
    inner = [20.0, 580.0] if marks else [10.0, 590.0]
    level = np.array(sorted([[y, 5, 795] for y in {10.0, 590.0, *inner}] + [[300, 100, 500]]))
    upright = np.array(sorted([[x, 5, 595] for x in (10.0, 790.0)]))

    border = find_border(level, upright, 800, 600)

    assert (border.y1, border.y2) == tuple(inner)
    assert (border.x1, border.x2) == (10.0, 790.0)


def test_sheet_without_a_border_has_none():
    assert find_border(np.zeros((0, 3)), np.array([[10.0, 0, 600]]), 800, 600) is None
