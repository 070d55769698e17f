"""A drawn line of text that every detector must find and every recogniser of English must read."""

import cv2
import numpy as np

from services.ocr.crops import bucket_width_px
from services.ocr.readings import FoundText, ImageArray, Reading
from shared.errors import EngineError

GOLDEN_TEXT = "GANTRY 2026"
_ORIGIN_PX = (40, 80)


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
    """Raise ``EngineError`` unless one line was found."""
    if len(found.polygons) != 1:
        raise EngineError(f"the detector found {len(found.polygons)} lines on a page of one")


def check_read(reading: Reading, recogniser: str) -> None:
    """Raise ``EngineError`` unless the text was read."""
    if reading.text.strip() != GOLDEN_TEXT:
        raise EngineError(f"{recogniser} read {reading.text!r} instead of {GOLDEN_TEXT!r}")
