"""What the engines give back, as it travels from their processes: found and read text."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
ImageArray = NDArray[np.uint8]


@dataclass(frozen=True)
class FoundText:
    """Places of text on one picture."""

    polygons: FloatArray  # (n, 4, 2), x and y in pixels of the picture that was searched, clockwise


@dataclass(frozen=True)
class Reading:
    """What one recogniser read on one crop."""

    text: str
    confidence: float  # mean over the characters, 0 to 1; 0 for no text
    positions: FloatArray  # (len(text),), centre of each character, 0 to 1 along the crop


RECORD_TYPES: tuple[type[Any], ...] = (FoundText, Reading)
