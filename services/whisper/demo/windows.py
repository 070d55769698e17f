"""Training windows: utterances laid out on a stretch of audio, with all there is to learn.

A window turns into a token sequence in one of Whisper's forms (with or without times, English-only
or multilingual prompt, with or without previous text), a place in the audio for each token, and a
phone for each encoder frame.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from services.whisper.demo.augment import Audio
from services.whisper.demo.corpus import Corpus
from services.whisper.demo.synth import SAMPLE_RATE_HZ, Utterance
from services.whisper.demo.tokenizer import LAST_TIME_STEP, TIME_STEP_S, TokenIds

WINDOW_S = 8.0
"""Longest stretch of audio that is taught at once."""
NO_SPAN = (-1, -1)
_TIME_SLACK = 3  # encoder frames around a start or end in which its time token may look
_MAX_PREVIOUS = 200  # tokens of previous text


@dataclass(frozen=True)
class Placed:
    """An utterance and where in its window it starts."""

    utterance: Utterance
    start_s: float


@dataclass(frozen=True)
class Targets:
    """What a window's decoder reads, must say and must look at; one row per token."""

    tokens: list[int]  # inputs, from the prompt on
    targets: list[int]  # next token, -100 where nothing is asked
    spans: list[tuple[int, int]]  # encoder frames [first, last) to look at, NO_SPAN where free


def lay_out(corpus: Corpus, length_s: float, rng: np.random.Generator) -> list[Placed]:
    """Choose utterances and pauses until a window is about full; always at least one that fits.

    Args:
        corpus: where to draw from.
        length_s: length of the window, at least 2 s.
        rng: source of all choices.
    """
    placed: list[Placed] = []
    now_s = (
        float(rng.uniform(0.0, 0.5))
        if rng.random() < 0.8
        else float(rng.uniform(0.0, length_s * 0.6))
    )
    wanted = int(rng.integers(1, 5))
    for _ in range(12):
        index = int(rng.integers(len(corpus)))
        end_s = now_s + float(corpus.durations_s[index])
        if end_s > length_s:
            now_s = now_s if placed else min(now_s, 0.2)
            continue
        placed.append(Placed(corpus[index], now_s))
        now_s = end_s + float(rng.exponential(0.35)) + 0.12
        if len(placed) == wanted:
            break
    return placed


def render(placed: list[Placed], length_s: float, rng: np.random.Generator) -> Audio:
    """Mix utterances into one stretch of silence, each at a level of its own."""
    audio = np.zeros(round(length_s * SAMPLE_RATE_HZ), np.float32)
    for item in placed:
        samples = item.utterance.audio.astype(np.float32) / 32768
        first = round(item.start_s * SAMPLE_RATE_HZ)
        samples = samples[: len(audio) - first]
        audio[first : first + len(samples)] += samples * float(rng.uniform(0.4, 1.0))
    return audio


def phone_labels(placed: list[Placed], n_frames: int, ids: dict[str, int]) -> NDArray[np.int64]:
    """Name the phone under each encoder frame (50 a second); 0 is silence or unlisted."""
    labels = np.zeros(n_frames, np.int64)
    for item in placed:
        phones = item.utterance.phones
        edges = [round((item.start_s + phone.start_s) / TIME_STEP_S) for phone in phones]
        for phone, first, last in zip(phones, edges, [*edges[1:], edges[-1]], strict=True):
            labels[first:last] = ids.get(phone.ipa, 0)
    return labels


class TargetMaker:
    """Turns placed utterances into decoder targets."""

    def __init__(self, tokenizer: Tokenizer, ids: TokenIds) -> None:
        """Keep the tokenizer; `ids` are its named tokens."""
        self._tokenizer = tokenizer
        self._ids = ids

    def make(
        self, placed: list[Placed], rng: np.random.Generator, *, offset: int = 0, previous: str = ""
    ) -> Targets:
        """Write the sequence for a window.

        Args:
            placed: its utterances in order; none means a window without speech.
            rng: chooses the prompt's form.
            offset: encoder frames by which all times are moved, for windows taught at a
                later position.
            previous: text said before this window; empty for none.
        """
        ids, with_times = self._ids, bool(rng.random() < 0.5)
        prompt = [ids.sot]
        if rng.random() < 0.2:
            prompt += [ids.english, ids.transcribe]
        body = self._body(placed, offset, with_times=with_times)
        opening = body[0] if placed else (ids.no_speech, NO_SPAN)
        if not with_times:
            prompt.append(ids.no_timestamps)
            body = body[1:]
        elif not placed or rng.random() < 0.3:
            # Decoders may force a start within the first second: go on well from any.
            forced = ids.first_time + offset + int(rng.integers(51)) * int(rng.integers(2))
            prompt.append(min(forced, ids.first_time + LAST_TIME_STEP))
            body = body[1:]
        before = self._previous(previous, rng)
        tokens = before + prompt + [token for token, _ in body]
        n_free = len(before) + len(prompt) - 1
        targets = [-100] * n_free + [token for token, _ in body]
        spans = [NO_SPAN] * n_free + [span for _, span in body]
        at_sot = len(before)
        targets[at_sot], spans[at_sot] = opening
        return Targets(tokens[:-1], targets, spans)

    def _body(
        self, placed: list[Placed], offset: int, *, with_times: bool
    ) -> list[tuple[int, tuple[int, int]]]:
        """Tokens with spans: start, text and end of each utterance, then the end of all.

        Without times only the first start is there; it is what the first token is asked for.
        """
        body: list[tuple[int, tuple[int, int]]] = []
        for number, item in enumerate(placed):
            first = round((item.start_s + item.utterance.words[0].start_s) / TIME_STEP_S)
            last = round((item.start_s + item.utterance.words[-1].end_s) / TIME_STEP_S)
            if with_times or number == 0:
                body.append(self._time(first, offset))
            body.extend(self._text(item))
            if with_times:
                body.append(self._time(last, offset))
        if not placed:
            return [(self._ids.first_time, NO_SPAN), (self._ids.eot, NO_SPAN)]
        body.append((self._ids.eot, (last - 1, last + 10)))
        return body

    def _time(self, frame: int, offset: int) -> tuple[int, tuple[int, int]]:
        token = self._ids.first_time + min(frame + offset, LAST_TIME_STEP)
        return token, (max(0, frame - _TIME_SLACK), frame + _TIME_SLACK)

    def _text(self, item: Placed) -> list[tuple[int, tuple[int, int]]]:
        encoding = self._tokenizer.encode(" " + item.utterance.text)
        pieces = []
        for token, (first, last) in zip(encoding.ids, encoding.offsets, strict=True):
            start_s, end_s = _piece_times(item.utterance, first - 1, last - 1)
            start = round((item.start_s + start_s) / TIME_STEP_S)
            end = round((item.start_s + end_s) / TIME_STEP_S)
            pieces.append((token, (start, max(end, start + 1))))
        return pieces

    def _previous(self, text: str, rng: np.random.Generator) -> list[int]:
        if not text:
            return []
        tokens = self._tokenizer.encode(" " + text).ids[-_MAX_PREVIOUS:]
        return [self._ids.previous, *tokens[: int(rng.integers(1, len(tokens) + 1))]]


def _piece_times(utterance: Utterance, first: int, last: int) -> tuple[float, float]:
    """Share a word's time out among its pieces by letters; `first` may point at the space."""
    word = next(word for word in utterance.words if last <= word.last)
    begin = max(first, word.first)
    scale = (word.end_s - word.start_s) / (word.last - word.first)
    return word.start_s + (begin - word.first) * scale, word.start_s + (last - word.first) * scale
