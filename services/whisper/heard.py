"""Drop what was written where nobody spoke. Plain functions.

A window holds the pauses between its stretches of speech, and into a pause a model may invent
words. Times of words are good to a few tenths of a second, and a word after a pause is often
stretched into it; so a word goes only if hardly any of it is heard.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.whisper.tasks import SpokenSegment, SpokenWord, TokenScore, WindowResult

MIN_HEARD_SHARE = 0.3
MIN_HEARD_S = 0.1
"""A word is kept if this share of it, or this much of a long one, lies in speech."""

SHORTEST_WORD_S = 0.02
"""A word to which no time was given is looked for at its place."""


@dataclass(frozen=True)
class Stretch:
    """Speech, in seconds from the beginning of the window."""

    start_s: float
    end_s: float


def drop_unheard(result: WindowResult, speech: Sequence[Stretch]) -> tuple[WindowResult, int]:
    """Leave out words that lie outside speech, or whole segments where words have no times.

    Args:
        result: of one window.
        speech: where somebody speaks in it, padded as the detector pads it.

    Returns:
        The rest, and how many words were dropped.
    """
    if not result.words:
        kept = [each for each in result.segments if _heard_s(each, speech) > 0]
        gone = [each for each in result.segments if _heard_s(each, speech) <= 0]
        return replace(result, segments=kept), sum(len(each.text.split()) for each in gone)
    flags = [_is_heard(word, speech) for word in result.words]
    if all(flags):
        return result, 0
    return _filtered(result, flags), flags.count(False)


def _is_heard(word: SpokenWord, speech: Sequence[Stretch]) -> bool:
    end_s = max(word.end_s, word.start_s + SHORTEST_WORD_S)
    needed_s = min(MIN_HEARD_SHARE * (end_s - word.start_s), MIN_HEARD_S)
    return _heard_s(Stretch(word.start_s, end_s), speech) >= needed_s


def _heard_s(part: Stretch | SpokenSegment, speech: Sequence[Stretch]) -> float:
    """How much of ``part`` lies in speech; a part without length counts if its place does."""
    length_s = max(part.end_s - part.start_s, SHORTEST_WORD_S)
    end_s = part.start_s + length_s
    return sum(
        max(0.0, min(end_s, each.end_s) - max(part.start_s, each.start_s)) for each in speech
    )


def _filtered(result: WindowResult, flags: Sequence[bool]) -> WindowResult:
    """Words, tokens, scores and texts of the words whose flag is set."""
    words = [word for word, keeps in zip(result.words, flags, strict=True) if keeps]
    token_flags = [
        (token, keeps)
        for word, keeps in zip(result.words, flags, strict=True)
        for token in word.tokens
    ]
    segments: list[SpokenSegment] = []
    numbers: dict[int, int] = {}
    position = 0
    for number, segment in enumerate(result.segments):
        tokens = []
        for token in segment.tokens:
            is_text = position < len(token_flags) and token == token_flags[position][0]
            if not is_text or token_flags[position][1]:
                tokens.append(token)
            position += is_text
        text = "".join(word.text for word in words if word.segment == number)
        if text.strip():
            numbers[number] = len(segments)
            segments.append(replace(segment, text=text, tokens=tokens))
    return replace(
        result,
        segments=segments,
        words=[replace(word, segment=numbers[word.segment]) for word in words],
        scores=_kept_scores(result.scores, [keeps for _, keeps in token_flags]),
    )


def _kept_scores(scores: Sequence[TokenScore], flags: Sequence[bool]) -> list[TokenScore]:
    return [score for score, keeps in zip(scores, flags, strict=False) if keeps]
