"""Text that stands on its head: which lines to read a second time, turned, and what to believe.

There is no classifier for it: the usual one turns nearly every line of Hangul (PaddleOCR issue
16958). A recogniser shown a line upside down is unsure of it, so lines that were read with doubt
are read turned as well, a bounded number of them. When most text of a page proves to stand on its
head, all of its lines are.
"""

from collections.abc import Sequence

import numpy as np

from services.ocr.choice import Candidate, believability
from services.ocr.readings import FloatArray

DOUBT = 0.9
"""Lines that are believed less than this are doubtful: of upright print about one in ten, of
text upside down about nineteen in twenty."""
MOST_TRIES = 16
TRIED_SHARE = 0.25
"""Of the lines of a page, at most this share is tried, and never more than ``MOST_TRIES``..."""
LEAST_TRIES = 4
"""... but of a short page this many."""
GAIN = 0.15
SURE = 0.8
LEAST_CHARACTERS = 3
"""A line alone is turned for this gain, to this certainty, and if it is no sign like 0, H or φ."""
HALF = 0.5


def lines_to_try(read: Sequence[Candidate], languages: frozenset[str]) -> list[int]:
    """Indices of the lines to read turned, the longest first, since they tell the most.

    Args:
        read: the best reading of each line of a page.
        languages: of the request.
    """
    doubtful = [n for n, each in enumerate(read) if _belief(each, languages) < DOUBT]
    doubtful.sort(key=lambda n: -_length_px(read[n].polygon))
    return doubtful[: min(MOST_TRIES, max(LEAST_TRIES, int(TRIED_SHARE * len(read))))]


def is_upside_down(
    read: Sequence[Candidate], turned: dict[int, Candidate], languages: frozenset[str]
) -> bool:
    """Whether a page as a whole stands on its head.

    Args:
        read: the best reading of each line, as the line lies.
        turned: of the lines that were tried, the best reading turned.
        languages: of the request.
    """
    if not turned:
        return False
    whole = sum(_length_px(each.polygon) for each in read)
    doubtful = [each for each in read if _belief(each, languages) < DOUBT]
    tried = sum(_length_px(read[n].polygon) for n in turned)
    better = sum(
        _length_px(read[n].polygon)
        for n, each in turned.items()
        if _belief(each, languages) > _belief(read[n], languages)
    )
    is_mostly_doubtful = sum(_length_px(each.polygon) for each in doubtful) >= HALF * whole
    return is_mostly_doubtful and better > HALF * tried


def believed(
    read: Candidate, turned: Candidate, languages: frozenset[str], *, on_its_head: bool
) -> Candidate:
    """Which of two readings of a line counts.

    Args:
        read: as the line lies.
        turned: turned by 180 degrees.
        languages: of the request.
        on_its_head: whether the whole page is; then a line is turned unless that reads worse.
    """
    gain = _belief(turned, languages) - _belief(read, languages)
    if on_its_head:
        return turned if gain > -GAIN else read
    is_sure = turned.reading.confidence >= SURE and len(turned.reading.text) >= LEAST_CHARACTERS
    return turned if is_sure and gain >= GAIN else read


def turn(polygon: FloatArray) -> FloatArray:
    """The same box with the text's top left in the opposite corner."""
    return np.roll(polygon, 2, axis=0)


def _belief(candidate: Candidate, languages: frozenset[str]) -> float:
    return believability(candidate.reading, languages)


def _length_px(polygon: FloatArray) -> float:
    return float(np.linalg.norm(polygon[1] - polygon[0]))
