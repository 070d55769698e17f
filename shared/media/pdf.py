"""Count and render pages of PDF files with PDFium; runs in a media worker."""

import re
from pathlib import Path

import numpy as np
import pypdfium2

from shared.errors import InvalidInput, PayloadTooLarge, UnsupportedMedia
from shared.media.limits import PdfLimits, Picture

POINTS_PER_INCH = 72.0
_STARTXREF = re.compile(rb"startxref\s+(\d{1,12})")
_SECTION = re.compile(rb"\s*xref\b")
_PREVIOUS = re.compile(rb"/Prev\s+(\d{1,12})")


def count_pages(path: str) -> int:
    """Number of pages.

    Raises:
        UnsupportedMedia: damaged, or encrypted.
    """
    with opened(path) as document:
        return len(document)


def render_page(path: str, page: int, dpi: int, limits: PdfLimits) -> Picture:
    """Render one page.

    Args:
        path: file of ours.
        page: number from 1.
        dpi: pixels per inch.
        limits: bounds; the picture's size is checked before it is made.

    Raises:
        InvalidInput: there is no such page.
        PayloadTooLarge: the picture would have too many pixels.
        UnsupportedMedia: damaged, or encrypted.
    """
    with opened(path) as document:
        if not 1 <= page <= len(document):
            raise InvalidInput(f"page {page} does not exist; the file has {len(document)} pages")
        scale = dpi / POINTS_PER_INCH
        try:
            sheet = document[page - 1]
            width_pt, height_pt = sheet.get_size()
            if width_pt * scale * height_pt * scale > limits.max_pixels:
                raise PayloadTooLarge(
                    f"page {page} at {dpi} dpi has more than {limits.max_pixels} pixels; lower dpi"
                )
            bitmap = sheet.render(scale=scale, rev_byteorder=True)
            pixels = bitmap.to_numpy()
        except pypdfium2.PdfiumError:
            raise UnsupportedMedia(f"page {page} of the PDF is damaged") from None
        if pixels.ndim == 2 or pixels.shape[2] == 1:
            pixels = np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
        return Picture(np.ascontiguousarray(pixels[:, :, :3]))


def _check_trailers(path: str) -> None:
    """Refuse a file whose cross-reference sections name each other in a circle.

    PDFium repairs such a file by guessing; what it then shows need not be what was meant. Sections
    of the compressed kind (ISO 32000-1, 7.5.8) end the search.
    """
    content = Path(path).read_bytes()
    found = _STARTXREF.findall(content)
    offset = int(found[-1]) if found else -1
    seen: set[int] = set()
    while offset >= 0 and _SECTION.match(content, offset):
        if offset in seen:
            raise UnsupportedMedia(
                "the PDF is damaged: its cross-reference sections go in a circle"
            )
        seen.add(offset)
        end = content.find(b"startxref", offset)
        trailer = content[content.find(b"trailer", offset) : end if end >= 0 else None]
        previous = _PREVIOUS.search(trailer)
        offset = int(previous[1]) if previous else -1


class opened:  # noqa: N801 - a context manager used like a function
    """The document, closed at the end of the block.

    Raises:
        UnsupportedMedia: damaged, or encrypted.
    """

    def __init__(self, path: str) -> None:
        """Open ``path``, a file of ours."""
        _check_trailers(path)
        try:
            self._document = pypdfium2.PdfDocument(path)
        except pypdfium2.PdfiumError as error:
            if "password" in str(error).lower():
                raise UnsupportedMedia("the PDF is encrypted; send it without a password") from None
            raise UnsupportedMedia("the PDF is damaged and cannot be opened") from None

    def __enter__(self) -> pypdfium2.PdfDocument:
        """Give the document."""
        return self._document

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._document.close()
