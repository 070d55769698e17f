"""Choose among readings of one line: by several recognisers, and in several orientations."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.ocr.readings import FloatArray, Reading

FOREIGN_PENALTY = 0.3
"""Taken off the score in full when all letters are of scripts that nobody asked for."""
SIGNS_PENALTY = 0.3
"""Taken off the score of signs alone: that is how a recogniser sees letters it does not know."""

_SCRIPTS = {
    "ko": {"HANGUL"},
    "zh": {"CJK", "FULLWIDTH"},
    "ja": {"CJK", "HIRAGANA", "KATAKANA", "FULLWIDTH"},
}
_ALWAYS = {"LATIN", "DIGIT"}


@dataclass(frozen=True)
class Candidate:
    """One way to read a line."""

    recogniser: str
    polygon: FloatArray  # (4, 2), in pixels of the page, clockwise from the text's own top left
    reading: Reading


def best_candidate(candidates: Sequence[Candidate], languages: Iterable[str]) -> Candidate:
    """The most believable candidate; of equals, the first.

    A recogniser that does not know a script still answers with the nearest shapes it knows, at
    times with some confidence; letters of scripts that were not asked for count against it.

    Args:
        candidates: at least one.
        languages: languages of the request, ISO 639-1.
    """
    known = frozenset(languages)
    return max(candidates, key=lambda each: believability(each.reading, known))


def believability(reading: Reading, languages: Iterable[str]) -> float:
    """The confidence of a reading, less what its letters say against it; at most 1."""
    scripts = set().union(_ALWAYS, *(_SCRIPTS.get(code, set()) for code in languages))
    letters = [each for each in reading.text if each.isalpha()]
    foreign = sum(_script(each) not in scripts for each in letters)
    penalty = FOREIGN_PENALTY * foreign / len(letters) if letters else 0.0
    if not any(each.isalnum() for each in reading.text):
        penalty = SIGNS_PENALTY
    return (reading.confidence if reading.text.strip() else 0.0) - penalty


def _script(letter: str) -> str:
    """First word of the character's Unicode name, which is its script for letters."""
    return unicodedata.name(letter, "").partition(" ")[0].partition("-")[0]
