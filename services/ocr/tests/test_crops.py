import numpy as np
import pytest

from services.ocr.crops import (
    SearchSize,
    angle_deg,
    bucket_width_px,
    cut,
    orientations,
    search_picture,
    search_shape,
    to_page,
)
from services.ocr.tests.conftest import box

SIZE = SearchSize(min_side_px=640, max_enlargement=2.0, max_side_px=1920)


@pytest.mark.parametrize(
    ("given", "searched"),
    [
        ((1000, 800), (992, 800)),  # large enough: only rounded to the grid
        ((400, 480), (640, 768)),  # enlarged until the shorter side is 640
        ((300, 100), (608, 192)),  # at most doubled
        ((6000, 3000), (1920, 960)),  # shrunk to the longest side
        ((1, 1), (32, 32)),
        ((20_000, 1), (1920, 32)),
    ],
)
def test_pictures_are_searched_at_a_bounded_size(given, searched):
    assert search_shape(*given, SIZE) == searched


def test_polygons_return_to_the_page_they_came_from():
    page = np.zeros((3000, 6000, 3), np.uint8)
    searched = search_picture(page, SIZE)

    (polygon,) = to_page(box(192, 96, 960, 480)[np.newaxis], searched, page)

    assert polygon == pytest.approx(box(600, 300, 3000, 1500))


def test_crop_of_a_turned_line_is_upright():
    page = np.zeros((100, 100, 3), np.uint8)
    page[10:90, 40:50] = [255, 0, 0]  # the text's upper half is right: it runs down
    page[10:90, 30:40] = [0, 0, 255]
    down = orientations(box(30, 10, 20, 80))[0]

    crop = cut(page, down)

    assert crop.shape == (20, 80, 3)
    assert crop[5, 40].tolist() == [255, 0, 0]
    assert crop[15, 40].tolist() == [0, 0, 255]


def test_wide_lines_are_read_one_way_and_tall_ones_both_ways():
    assert len(orientations(box(0, 0, 100, 20))) == 1
    assert [angle_deg(each) for each in orientations(box(0, 0, 20, 100))] == [90, -90]


def test_a_single_tall_character_may_also_stand_upright():
    assert [angle_deg(each) for each in orientations(box(0, 0, 10, 20))] == [90, -90, 0]


def test_angle_is_clockwise_and_above_minus_180():
    assert angle_deg(box(0, 0, 100, 20, 0.1)) == pytest.approx(np.degrees(0.1), abs=1e-3)
    assert angle_deg(np.roll(box(0, 0, 100, 20), 2, axis=0)) == 180.0


def test_bucket_follows_from_the_shape_of_the_crop_alone():
    assert bucket_width_px(np.zeros((24, 100, 3), np.uint8)) == 256  # 200 wide at 48 high
    assert bucket_width_px(np.zeros((48, 10, 3), np.uint8)) == 64
    assert bucket_width_px(np.zeros((2, 9000, 3), np.uint8)) == 3200
