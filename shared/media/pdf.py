"""Count and render pages of PDF files with PDFium; runs in a media worker."""

import numpy as np
import pypdfium2

from shared.errors import InvalidInput, PayloadTooLarge, UnsupportedMedia
from shared.media.limits import PdfLimits, Picture

POINTS_PER_INCH = 72.0


def count_pages(path: str) -> int:
    """Number of pages.

    Raises:
        UnsupportedMedia: damaged, or encrypted.
    """
    with _open(path) as document:
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
    with _open(path) as document:
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


class _open:  # noqa: N801 - a context manager used like a function
    def __init__(self, path: str) -> None:
        try:
            self._document = pypdfium2.PdfDocument(path)
        except pypdfium2.PdfiumError as error:
            if "password" in str(error).lower():
                raise UnsupportedMedia("the PDF is encrypted; send it without a password") from None
            raise UnsupportedMedia("the PDF is damaged and cannot be opened") from None

    def __enter__(self) -> pypdfium2.PdfDocument:
        return self._document

    def __exit__(self, *_: object) -> None:
        self._document.close()
