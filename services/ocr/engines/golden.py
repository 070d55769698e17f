"""A drawn line of text that every detector must find and every recogniser of English must read."""

import cv2
import numpy as np

from services.ocr.crops import bucket_width_px
from services.ocr.readings import FoundText, ImageArray, Reading
from shared.errors import EngineError

GOLDEN_TEXT = "GANTRY 2026"
_ORIGIN_PX = (40, 80)
TEXT_BOX_PX = (43, 44, 377, 83)
"""Left, top, right and bottom of the text on the page."""


def golden_page() -> ImageArray:
    """The text, black on white, on a picture of 160 x 448 pixels."""
    page = np.full((160, 448, 3), 255, np.uint8)
    cv2.putText(page, GOLDEN_TEXT, _ORIGIN_PX, cv2.FONT_HERSHEY_SIMPLEX, 1.6, (0, 0, 0), 3)
    return page


def golden_crop() -> ImageArray:
    """The text alone."""
    return np.ascontiguousarray(golden_page()[38:92, 34:372])


def golden_key(recogniser: str) -> tuple[str, int]:
    """Batch key of the crop."""
    return (recogniser, bucket_width_px(golden_crop()))


def check_found(found: FoundText) -> None:
    """Raise ``EngineError`` unless the text, as a line or as words, was found where it stands."""
    corners = found.polygons.reshape(-1, 2)
    if not len(corners):
        raise EngineError("the detector found nothing on a page with a line of text")
    edges = (*corners.min(axis=0), *corners.max(axis=0))
    if not np.allclose(edges, TEXT_BOX_PX, atol=20):
        raise EngineError(f"the detector found text at {edges} px instead of {TEXT_BOX_PX} px")


def check_read(reading: Reading, recogniser: str) -> None:
    """Raise ``EngineError`` unless the text was read."""
    if reading.text.strip() != GOLDEN_TEXT:
        raise EngineError(f"{recogniser} read {reading.text!r} instead of {GOLDEN_TEXT!r}")
