"""The tiles that drawings asks for are tiles that yolo cuts."""

import pytest

from services.drawings.peers import DETECT_OVERLAP, DETECT_TILE_PX, detect_tile_px
from services.yolo.settings import YoloSettings
from services.yolo.tiling import count_tiles


@pytest.mark.parametrize(
    "size_px", [(300, 200), (2480, 3508), (6000, 6000), (9933, 7016), (20_000, 5_000), (20_000, 90)]
)
def test_no_sheet_is_cut_into_more_tiles_than_the_detector_takes(size_px):
    tile_px = detect_tile_px(*size_px)

    tiles = count_tiles(*size_px, tile_px=tile_px, overlap_share=DETECT_OVERLAP)
    assert tiles <= YoloSettings().max_tiles


def test_usual_sheets_are_searched_at_full_size():
    assert detect_tile_px(4961, 3508) == DETECT_TILE_PX  # A3 at 300 dpi
