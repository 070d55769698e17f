"""Take pauses out of the times of words. Plain functions.

The path of an alignment gives every moment of a window to some word: the silence before the first
word is the first word's, a pause belongs to the word before or after it. What was said lies where
there is sound, and the features tell where that is.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from services.whisper.tasks import FloatArray, SpokenWord

FRAMES_PER_S = 100
PAUSE_S = 0.16
"""Shorter silences are parts of words: closures of plosives. The detector's bound is the same."""

QUIET_SHARE, LOUD_SHARE = 5, 95
"""Percentiles of a window's levels that stand for its background and its speech."""

SOUND_SHARE = 0.3
"""From this share of the way from background to speech on, a frame sounds."""

MIN_CONTRAST = 0.1
"""Where speech stands out less (4 dB in Whisper's features), pauses are not looked for."""


def out_of_pauses(words: Sequence[SpokenWord], features: FloatArray) -> list[SpokenWord]:
    """Let words begin and end with their sound, where a pause was given to them.

    A word that spans a pause keeps the side with more sound. Words without any sound, and windows
    in which all is loud or all is quiet, keep their times.

    Args:
        words: of one window, in seconds from its beginning.
        features: (n_mels, n_frames) log-mel of the window as Whisper scales it, 100 frames a
            second.
    """
    if not features.size:
        return list(words)
    level = features.mean(axis=0)  # (n_frames,)
    quiet, loud = np.percentile(level, (QUIET_SHARE, LOUD_SHARE))
    if loud - quiet < MIN_CONTRAST:
        return list(words)
    sounds = level > quiet + SOUND_SHARE * (loud - quiet)
    return [_on_its_sound(word, sounds) for word in words]


def _on_its_sound(word: SpokenWord, sounds: NDArray[np.bool_]) -> SpokenWord:
    first, last = round(word.start_s * FRAMES_PER_S), round(word.end_s * FRAMES_PER_S)
    own = sounds[first:last]
    if not own.any():
        return word
    begin, end = max(_between_pauses(own), key=lambda part: int(own[part[0] : part[1]].sum()))
    return replace(
        word,
        start_s=word.start_s if begin == 0 else (first + begin) / FRAMES_PER_S,
        end_s=word.end_s if end == len(own) else (first + end) / FRAMES_PER_S,
    )


def _between_pauses(sounds: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Stretches [begin, end) that are left when silences long enough for a pause are taken out."""
    edges = np.flatnonzero(np.diff(sounds, prepend=True, append=True)).reshape(-1, 2)
    silences = [(int(a), int(b)) for a, b in edges if b - a >= PAUSE_S * FRAMES_PER_S]
    begins = [0, *(end for _, end in silences)]
    ends = [*(begin for begin, _ in silences), len(sounds)]
    return [(begin, end) for begin, end in zip(begins, ends, strict=True) if begin < end]
