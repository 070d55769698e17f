"""From token ids to segments and words, and how good a decoded window is. Plain functions.

Rules and thresholds are those of openai/whisper (``transcribe.py``, ``timing.py``): text stands
between pairs of time tokens, and a window is tried again when its text is too repetitive or too
unlikely.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

TIME_STEP_S = 0.02
FRAME_STEP_S = 0.02
"""One encoder state covers two frames of 10 ms."""

MAX_COMPRESSION_RATIO = 2.4
MIN_AVG_LOGPROB = -1.0
MAX_NO_SPEECH_PROB = 0.6
MAX_CHARACTERS_PER_S = 25.0
"""Faster than anyone speaks; with a repeated ending it means that the model ran on by itself."""

LOOP_REPEATS = 3
MAX_LOOP_TOKENS = 64
MIN_LOOP_SPAN_TOKENS = 8
"""A short word said three times is speech; a repeated stretch of this many tokens is not."""

PREPENDED = "\"'“¿([{-"
APPENDED = "\"'.。,，!！?？:：”)]}、"


@dataclass(frozen=True)
class TokenSegment:
    """Tokens between two time marks."""

    start_s: float  # from the beginning of the window
    end_s: float
    tokens: list[int]


@dataclass(frozen=True)
class TimedWord:
    """A word and the share of tokens that it stands for."""

    text: str
    n_tokens: int
    start_s: float
    end_s: float
    probability: float


def split_segments(
    tokens: Sequence[int], *, first_time: int, duration_s: float
) -> list[TokenSegment]:
    """Split a window's tokens where two time tokens stand together.

    Args:
        tokens: as the model gave them, without the end token.
        first_time: id of ``<|0.00|>``; greater ids are later times.
        duration_s: length of the window; later times are drawn back to it.

    Returns:
        Segments in order. Text after the last mark ends with the window.
    """

    def seconds(token: int) -> float:
        return min((token - first_time) * TIME_STEP_S, duration_s)

    cuts = [
        index
        for index in range(1, len(tokens))
        if tokens[index] >= first_time and tokens[index - 1] >= first_time
    ]
    pieces = [
        list(tokens[start:stop])
        for start, stop in zip([0, *cuts], [*cuts, len(tokens)], strict=True)
    ]
    segments: list[TokenSegment] = []
    for piece in pieces:
        if not any(token < first_time for token in piece):
            continue
        after = segments[-1].end_s if segments else 0.0
        start_s = seconds(piece[0]) if piece[0] >= first_time else after
        end_s = seconds(piece[-1]) if piece[-1] >= first_time else duration_s
        start_s = max(start_s, after)
        segments.append(TokenSegment(start_s, max(end_s, start_s), piece))
    return segments


def token_bytes(spelling: str) -> bytes:
    """The bytes that a token of a byte-level vocabulary stands for (GPT-2's ``encoder.py``)."""
    return bytes(_BYTES[character] for character in spelling)


def _byte_of_each_character() -> dict[str, int]:
    """Bytes that print stand for themselves; the others have characters from U+0100 on."""
    printing = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printing]
    return {chr(byte): byte for byte in printing} | {
        chr(256 + number): byte for number, byte in enumerate(others)
    }


_BYTES = _byte_of_each_character()


def compression_ratio(text: str) -> float:
    """How much zlib shrinks the text: repetitive text shrinks much."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def is_loop(tokens: Sequence[int]) -> bool:
    """Whether the text ends in one stretch of tokens said three times or more."""
    count = len(tokens)
    for period in range(1, min(MAX_LOOP_TOKENS, count // LOOP_REPEATS) + 1):
        span = max(period * LOOP_REPEATS, MIN_LOOP_SPAN_TOKENS)
        if span <= count and all(
            tokens[-1 - index] == tokens[-1 - index - period] for index in range(span - period)
        ):
            return True
    return False


def is_silence(avg_logprob: float, no_speech_prob: float) -> bool:
    """Whether the model itself says that nobody spoke."""
    return no_speech_prob > MAX_NO_SPEECH_PROB and avg_logprob < MIN_AVG_LOGPROB


def needs_another_attempt(
    *, avg_logprob: float, ratio: float, no_speech_prob: float, has_loop: bool
) -> bool:
    """Whether a window should be decoded anew in another way."""
    if is_silence(avg_logprob, no_speech_prob):
        return False
    return has_loop or ratio > MAX_COMPRESSION_RATIO or avg_logprob < MIN_AVG_LOGPROB


def timed_words(
    words: Sequence[str],
    word_tokens: Sequence[Sequence[int]],
    alignment: Sequence[tuple[int, int]],
    probabilities: Sequence[float],
) -> list[TimedWord]:
    """Read word times from the path of an alignment; punctuation joins its word.

    Args:
        words: texts, the last one standing for the end token.
        word_tokens: tokens of each of them.
        alignment: (text token, encoder state) pairs along the path.
        probabilities: of each text token.
    """
    if len(words) < 2 or not alignment:
        return []
    text_index, state_index = np.array(alignment).T
    is_jump = np.diff(text_index, prepend=text_index[0] - 1) > 0
    jump_times_s = state_index[is_jump] * FRAME_STEP_S
    bounds = np.cumsum([0, *(len(tokens) for tokens in word_tokens[:-1])])
    bounds = np.minimum(bounds, len(jump_times_s) - 1)
    timed = [
        TimedWord(
            word,
            len(tokens),
            float(jump_times_s[start]),
            float(jump_times_s[stop]),
            float(np.mean(probabilities[start:stop])) if stop > start else 0.0,
        )
        for word, tokens, start, stop in zip(words, word_tokens, bounds, bounds[1:], strict=False)
    ]
    return _join_punctuation(_join_opening(timed))


def _join_opening(words: list[TimedWord]) -> list[TimedWord]:
    joined: list[TimedWord] = []
    for word in reversed(words):
        is_opening = word.text.startswith(" ") and word.text.strip() in PREPENDED
        if joined and is_opening and word.text.strip():
            joined.append(_joined(word, joined.pop(), probability_of_first=False))
        else:
            joined.append(word)
    return joined[::-1]


def _join_punctuation(words: list[TimedWord]) -> list[TimedWord]:
    joined: list[TimedWord] = []
    for word in words:
        is_closing = bool(word.text) and all(each in APPENDED for each in word.text)
        if joined and is_closing and not joined[-1].text.endswith(" "):
            joined.append(_joined(joined.pop(), word, probability_of_first=True))
        else:
            joined.append(word)
    return joined


def _joined(first: TimedWord, second: TimedWord, *, probability_of_first: bool) -> TimedWord:
    kept = first if probability_of_first else second
    return TimedWord(
        first.text + second.text,
        first.n_tokens + second.n_tokens,
        kept.start_s,
        kept.end_s,
        kept.probability,
    )
