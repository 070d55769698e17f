"""Cut a line into words with their places."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.ocr.readings import FloatArray, Reading


@dataclass(frozen=True)
class Word:
    """A word of a line."""

    text: str
    polygon: FloatArray  # (4, 2), in pixels of the page, clockwise from the text's own top left


def split_words(reading: Reading, polygon: FloatArray) -> list[Word]:
    """Words of a line, parted at spaces, from where the recogniser saw each character.

    Args:
        reading: the line.
        polygon: (4, 2), in pixels of the page, clockwise from the text's own top left.
    """
    centres = np.asarray(reading.positions, np.float64)
    pitch = float(np.median(np.diff(centres))) if len(centres) > 1 else 1.0
    words = []
    for first, last in _runs(reading.text):
        left = _edge(centres, first - 1, first, fallback=centres[first] - pitch / 2)
        right = _edge(centres, last, last + 1, fallback=centres[last] + pitch / 2)
        words.append(Word(reading.text[first : last + 1], _slice(polygon, left, right)))
    return words


def _runs(text: str) -> list[tuple[int, int]]:
    """First and last index of each run of characters that are not spaces."""
    runs, start = [], None
    for index, character in enumerate([*text, " "]):
        if character.isspace() and start is not None:
            runs.append((start, index - 1))
            start = None
        elif not character.isspace() and start is None:
            start = index
    return runs


def _edge(centres: NDArray[np.float64], before: int, after: int, *, fallback: float) -> float:
    """Middle between two neighbours; ``fallback`` at the ends of the line; within 0 to 1."""
    is_inside = before >= 0 and after < len(centres)
    edge = (centres[before] + centres[after]) / 2 if is_inside else fallback
    return float(min(1.0, max(0.0, edge)))


def _slice(polygon: FloatArray, left: float, right: float) -> FloatArray:
    """The part of a line between two shares of its length."""
    top, bottom = polygon[1] - polygon[0], polygon[2] - polygon[3]
    corners = [
        polygon[0] + left * top, polygon[0] + right * top,
        polygon[3] + right * bottom, polygon[3] + left * bottom,
    ]  # fmt: skip
    return np.array(corners, np.float32)
