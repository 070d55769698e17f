"""The ladder of attempts at one window, and which attempt counts. Plain functions.

As in openai/whisper, a text that is too repetitive or too unlikely is decoded again at a higher
temperature. A text that ends in a loop is first tried again with repeats forbidden: that is
cheaper and, unlike sampling, repeatable.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.whisper.decoding import (
    MAX_COMPRESSION_RATIO,
    is_silence,
    needs_another_attempt,
)
from services.whisper.tasks import DecodeOptions, WindowResult

TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
NO_REPEAT_NGRAM = 4
REPETITION_PENALTY = 1.1


@dataclass(frozen=True)
class Quality:
    """How a window's text came about."""

    attempts: int = 1
    has_loop: bool = False  # the text that counts still ends in a loop
    is_silence: bool = False  # the model said that nobody spoke; the text was dropped
    dropped_words: int = 0  # written where nobody spoke


def ladder(options: DecodeOptions, *, temperature: float) -> list[DecodeOptions]:
    """Attempts in order; an asked-for temperature above 0 is the only one.

    Args:
        options: of the first attempt.
        temperature: 0 lets it rise on failure.
    """
    if temperature > 0:
        return [replace(options, temperature=temperature)]
    return [replace(options, temperature=each) for each in TEMPERATURES]


def next_attempt(
    result: WindowResult, options: DecodeOptions, rest: list[DecodeOptions]
) -> DecodeOptions | None:
    """What to try after ``result``, taken from ``rest``; None if it is good or nothing is left.

    Args:
        result: of the attempt before.
        options: of that attempt.
        rest: attempts that are left.
    """
    if is_good(result) or not rest:
        return None
    if result.is_loop and options.temperature == 0 and not options.no_repeat_ngram_size:
        return replace(
            options, no_repeat_ngram_size=NO_REPEAT_NGRAM, repetition_penalty=REPETITION_PENALTY
        )
    return rest.pop(0)


def is_good(result: WindowResult) -> bool:
    """Whether no further attempt is called for."""
    return not needs_another_attempt(
        avg_logprob=result.avg_logprob,
        ratio=result.compression_ratio,
        no_speech_prob=result.no_speech_prob,
        has_loop=result.is_loop,
    )


def best_of(results: Sequence[WindowResult]) -> WindowResult:
    """The attempt that counts: the last if good, else the likeliest of the least repetitive."""
    if is_good(results[-1]):
        return results[-1]
    plain = [each for each in results if each.compression_ratio <= MAX_COMPRESSION_RATIO]
    return max(plain or results, key=lambda each: each.avg_logprob)


def judged(result: WindowResult, attempts: int) -> Quality:
    """Describe the attempt that counts."""
    silent = is_silence(result.avg_logprob, result.no_speech_prob)
    return Quality(attempts, result.is_loop, silent)
