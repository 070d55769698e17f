import cv2
import numpy as np
import pytest
from PIL import Image

from services.ocr.cleaning import Cleaning, clean, page_slope_deg
from services.ocr.tests.conftest import box, draw_page

LINES = [((60, 40 + 40 * n), "a line of text across the page") for n in range(6)]


def slanted(slope_deg):
    """A page whose lines run down to the right by ``slope_deg``."""
    page = draw_page(LINES, size=(520, 320))
    return np.asarray(page.rotate(-slope_deg, Image.Resampling.BICUBIC, fillcolor="white"))


def test_nothing_is_done_unless_asked_for():
    page = slanted(5)

    cleaned = clean(page, Cleaning())

    assert cleaned.pixels is page
    assert cleaned.to_original is None


@pytest.mark.parametrize("slope_deg", [-10, -3, 0, 4, 10])
def test_slope_of_the_lines_is_found(slope_deg):
    assert page_slope_deg(slanted(slope_deg)) == pytest.approx(slope_deg, abs=0.5)


def test_slope_of_light_text_on_dark_paper_is_found():
    assert page_slope_deg(255 - slanted(7)) == pytest.approx(7, abs=0.3)


def test_empty_page_has_no_slope():
    assert page_slope_deg(np.full((50, 80, 3), 255, np.uint8)) == 0.0


def test_turned_page_is_level_and_its_places_return():
    cleaned = clean(slanted(8), Cleaning(deskew=True))

    assert page_slope_deg(cleaned.pixels) == pytest.approx(0, abs=0.3)
    height, width = cleaned.pixels.shape[:2]
    (middle,) = cleaned.restore([box(width / 2, height / 2, 100, 20)])
    assert middle[0] == pytest.approx([260, 160], abs=2)
    dx, dy = middle[1] - middle[0]
    assert np.degrees(np.arctan2(dy, dx)) == pytest.approx(8, abs=0.3)


def test_median_filter_removes_specks():
    page = np.full((60, 60, 3), 255, np.uint8)
    page[::7, ::7] = 0

    assert clean(page, Cleaning(blur_px=3)).pixels.min() == 255


def test_contrast_of_a_dark_corner_is_raised():
    page = slanted(0).copy()
    page[:, :260] = page[:, :260] // 4  # paper 63, ink 0
    evened = clean(page, Cleaning(clahe=True)).pixels

    dark = cv2.cvtColor(evened[:, :260], cv2.COLOR_RGB2GRAY)
    assert int(dark.max()) - int(dark.min()) > 80
