from itertools import chain

import numpy as np
import pytest

from services.ocr.reading_order import page_slope_deg, reading_order
from services.ocr.tests.conftest import box


def order(polygons):
    return [list(chain.from_iterable(block.rows)) for block in reading_order(polygons)]


def column(left, top, lines, width=300):
    return [box(left, top + 40 * line, width, 30) for line in range(lines)]


def test_no_lines_give_no_blocks():
    assert reading_order([]) == []


def test_single_column_is_read_from_the_top():
    polygons = column(0, 0, 3)[::-1]

    assert order(polygons) == [[2, 1, 0]]


def test_two_columns_are_read_one_after_the_other():
    polygons = [*column(0, 0, 3), *column(340, 0, 3)]

    assert order(polygons) == [[0, 1, 2], [3, 4, 5]]


def test_columns_of_unequal_length_and_offset_stay_apart():
    polygons = [*column(0, 0, 4), *column(340, 13, 6)]

    assert order(polygons) == [[0, 1, 2, 3], [4, 5, 6, 7, 8, 9]]


def test_heading_over_two_columns_comes_first_and_footer_last():
    polygons = [*column(0, 60, 3), box(20, 0, 600, 40), *column(340, 60, 3), box(0, 220, 640, 30)]

    assert order(polygons) == [[3], [0, 1, 2], [4, 5, 6], [7]]


def test_three_columns_are_read_left_to_right():
    polygons = [*column(680, 0, 3), *column(340, 0, 3), *column(0, 0, 3)]

    assert order(polygons) == [[6, 7, 8], [3, 4, 5], [0, 1, 2]]


def test_price_stays_in_the_row_of_its_article():
    articles = column(0, 0, 4)
    prices = [box(500, 40 * line + 2, 60, 28) for line in range(4)]

    assert order([*articles, *prices]) == [[0, 4, 1, 5, 2, 6, 3, 7]]


def test_rows_are_grouped_for_the_text():
    polygons = [box(300, 2, 50, 30), box(0, 0, 100, 30), box(0, 40, 100, 30)]

    assert reading_order(polygons)[0].rows == ((1, 0), (2,))


@pytest.mark.parametrize("slope", [-0.12, 0.05, 0.12])
def test_skew_does_not_change_the_order_of_columns(slope):
    def turned(left):
        return [box(left, 40 * line, 300, 30, slope) for line in range(8)]

    polygons = [*turned(0), *turned(340)]

    assert order(polygons) == [list(range(8)), list(range(8, 16))]


def test_lines_up_the_side_come_after_the_page():
    left, right = (np.roll(box(x, 0, 30, 200), 1, axis=0) for x in (400, 500))

    assert order([right, left, *column(0, 0, 3)]) == [[2, 3, 4], [1, 0]]


def test_page_on_its_side_is_read_in_its_own_direction():
    upright = [*column(0, 0, 3), *column(340, 0, 3)]
    on_its_side = [each @ np.array([[0, 1], [-1, 0]], np.float32) for each in upright]

    assert order(on_its_side) == order(upright) == [[0, 1, 2], [3, 4, 5]]


def test_slope_of_a_page_ignores_lines_that_run_up_the_side():
    upward = np.roll(box(700, 0, 30, 3000), 1, axis=0)
    polygons = [*(box(0, 40 * line, 300, 30, 0.1) for line in range(3)), upward]

    assert page_slope_deg(polygons) == pytest.approx(np.degrees(0.1), abs=0.01)


def test_every_line_occurs_once_on_a_crowded_page():
    random = np.random.default_rng(7)
    polygons = [
        box(*random.uniform(0, 2000, 2), random.uniform(10, 400), random.uniform(8, 60),
            random.uniform(-0.3, 0.3))
        for _ in range(300)
    ]  # fmt: skip

    assert sorted(chain.from_iterable(order(polygons))) == list(range(300))
