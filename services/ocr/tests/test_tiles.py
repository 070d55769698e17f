import numpy as np
import pytest

from services.ocr.tests.conftest import box
from services.ocr.tiles import Tile, join_tiles, make_tiles
from shared.errors import InvalidInput


def joined(*tiles):
    return join_tiles([np.array(tile, np.float32).reshape(-1, 4, 2) for tile in tiles])


def test_small_page_is_one_tile():
    assert make_tiles(800, 600, 1280, 128) == [Tile(0, 0, 800, 600)]
    assert make_tiles(8000, 6000, 0, 128) == [Tile(0, 0, 8000, 6000)]


@pytest.mark.parametrize("size", [(1281, 900), (2400, 3400), (20_000, 100)])
def test_tiles_cover_the_page_and_overlap(size):
    tiles = make_tiles(*size, 1280, 128)

    covered = np.zeros(size[::-1], bool)
    for tile in tiles:
        covered[tile.top : tile.bottom, tile.left : tile.right] = True
        assert tile.right - tile.left <= 1280
    assert covered.all()
    lefts = sorted({tile.left for tile in tiles})
    assert all(b - a <= 1280 - 128 for a, b in zip(lefts, lefts[1:], strict=False))


def test_page_of_too_many_tiles_is_refused_by_the_name_of_the_option():
    with pytest.raises(InvalidInput, match="would need 6084 tiles; the limit is 512") as refused:
        make_tiles(10_000, 10_000, 256, 128)

    assert refused.value.faults[0].loc == "tile_size"


def test_text_found_in_two_tiles_is_one():
    (polygon,) = joined([box(100, 50, 80, 20)], [box(101, 50, 80, 21)])

    assert polygon == pytest.approx(box(100, 50, 81, 21), abs=0.5)


def test_line_across_a_border_is_put_together():
    (polygon,) = joined([box(100, 50, 300, 20)], [box(350, 51, 400, 20)])

    assert polygon == pytest.approx(box(100, 50, 650, 21), abs=1)


def test_line_across_three_tiles_is_one():
    (polygon,) = joined([box(0, 0, 110, 20)], [box(100, 0, 110, 20)], [box(200, 0, 110, 20)])

    assert polygon == pytest.approx(box(0, 0, 310, 20), abs=0.5)


def test_turned_line_across_a_border_keeps_its_slope():
    whole = box(100, 50, 500, 20, 0.1)
    (polygon,) = joined([box(100, 50, 300, 20, 0.1)], [box(380, 50, 220, 20, 0.1)])

    assert polygon == pytest.approx(whole, abs=1)


def test_line_up_the_page_is_put_together():
    (polygon,) = joined([box(50, 0, 20, 210)], [box(50, 200, 20, 200)])

    assert polygon == pytest.approx(box(50, 0, 20, 400), abs=0.5)


def test_neighbouring_lines_stay_apart():
    polygons = joined([box(100, 50, 300, 20)], [box(100, 68, 300, 20)])

    assert len(polygons) == 2


def test_what_one_tile_found_apart_stays_apart():
    assert len(joined([box(0, 0, 100, 20), box(90, 0, 100, 20)])) == 2


def test_crossing_lines_stay_apart():
    assert len(joined([box(0, 100, 400, 20)], [box(190, 0, 20, 400)])) == 2
