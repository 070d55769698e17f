from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.errors import InvalidInput, PayloadTooLarge, UnsupportedMedia
from shared.media.limits import PdfLimits
from shared.media.pdf import count_pages, render_page


@pytest.fixture
def two_pages(tmp_path):
    """A PDF of a red and a blue page, each 72 x 144 points."""
    red, blue = (Image.new("RGB", (72, 144), colour) for colour in ("red", "blue"))
    path = tmp_path / "pages.pdf"
    red.save(path, "PDF", save_all=True, append_images=[blue], resolution=72)
    return str(path)


def test_pages_are_counted(two_pages):
    assert count_pages(two_pages) == 2


def test_page_is_rendered_in_rgb_at_the_asked_resolution(two_pages):
    picture = render_page(two_pages, 2, 144, PdfLimits())

    assert (picture.width_px, picture.height_px) == (144, 288)
    assert np.abs(picture.pixels[100, 50].astype(int) - [0, 0, 255]).max() < 10


@pytest.mark.parametrize("page", [0, 3])
def test_page_that_does_not_exist_is_named(two_pages, page):
    with pytest.raises(InvalidInput, match=f"page {page} does not exist"):
        render_page(two_pages, page, 72, PdfLimits())


def test_page_with_too_many_pixels_is_refused_before_it_is_made(two_pages):
    with pytest.raises(PayloadTooLarge, match="lower dpi"):
        render_page(two_pages, 1, 72_000, PdfLimits())


@pytest.mark.parametrize("content", [b"", b"%PDF-1.4\n", b"no document"])
def test_what_is_no_pdf_is_refused(tmp_path, content):
    (tmp_path / "a.pdf").write_bytes(content)

    with pytest.raises(UnsupportedMedia):
        count_pages(str(tmp_path / "a.pdf"))


def test_pdf_cut_short_is_refused(two_pages, tmp_path):
    content = Path(two_pages).read_bytes()
    (tmp_path / "cut.pdf").write_bytes(content[: len(content) // 2])

    with pytest.raises(UnsupportedMedia):
        count_pages(str(tmp_path / "cut.pdf"))


def test_circle_of_cross_references_is_refused(two_pages, tmp_path):
    content = Path(two_pages).read_bytes()
    start = int(content.rsplit(b"startxref", 1)[1].split()[0])
    looped = content.replace(b"trailer\n<<", b"trailer\n<< /Prev %d" % start)
    (tmp_path / "loop.pdf").write_bytes(looped)

    with pytest.raises(UnsupportedMedia, match="circle"):
        count_pages(str(tmp_path / "loop.pdf"))
