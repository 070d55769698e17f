"""From probabilities of speech to stretches of speech. A plain state machine, fed piece by piece.

The rules are those of Silero VAD as faster-whisper applies them, so that hearing a recording piece
by piece gives the stretches that hearing it whole gives.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.whisper.tasks import FRAME_SAMPLES, SAMPLE_RATE_HZ


@dataclass(frozen=True)
class Span:
    """A stretch of a recording, in samples."""

    start: int
    end: int  # exclusive

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return (self.end - self.start) / SAMPLE_RATE_HZ


@dataclass(frozen=True)
class SpeechRules:
    """When speech begins and ends."""

    threshold: float = 0.5  # probability from which a frame is speech
    end_threshold: float = 0.35  # below it, speech may have ended
    min_silence_s: float = 0.16  # shorter pauses do not end a stretch
    min_speech_s: float = 0.1  # shorter stretches are dropped
    pad_s: float = 0.4  # added on both sides, half the pause at most
    max_speech_s: float = 29.0  # longer stretches are cut at their least likely frame


class SpeechDetector:
    """Turns the probabilities of one recording into stretches of speech."""

    def __init__(self, rules: SpeechRules | None = None) -> None:
        """Begin at the start of a recording."""
        self._rules = rules or SpeechRules()
        self._frame = 0
        self._start: int | None = None  # first frame of the current stretch
        self._quiet: int | None = None  # first frame of the pause within it
        self._current: list[float] = []  # probabilities since the start of the stretch
        self._held: Span | None = None  # found, but its padding awaits the next one

    def feed(self, probabilities: Sequence[float]) -> list[Span]:
        """Hear further frames.

        Returns:
            Stretches that are final now, padded, in order and without overlap.
        """
        final: list[Span] = []
        for probability in probabilities:
            for span in self._step(probability):
                final.extend(self._hold(span))
            self._frame += 1
        final.extend(self._release())
        return final

    def finish(self, n_samples: int) -> list[Span]:
        """End the recording, which has ``n_samples`` samples."""
        final: list[Span] = []
        if self._start is not None:
            span = Span(self._start * FRAME_SAMPLES, n_samples)
            if span.end - span.start > self._rules.min_speech_s * SAMPLE_RATE_HZ:
                final.extend(self._hold(span))
        if self._held is not None:
            last = self._held
            final.append(Span(last.start, min(n_samples, last.end + self._pad)))
        self._held = self._start = None
        return final

    @property
    def _pad(self) -> int:
        return round(self._rules.pad_s * SAMPLE_RATE_HZ)

    def _step(self, probability: float) -> Iterable[Span]:
        rules = self._rules
        if self._start is None:
            if probability >= rules.threshold:
                self._start, self._quiet, self._current = self._frame, None, [probability]
            return
        self._current.append(probability)
        if probability >= rules.threshold:
            self._quiet = None
        elif probability < rules.end_threshold and self._quiet is None:
            self._quiet = self._frame
        if (self._frame - self._start) * FRAME_SAMPLES > rules.max_speech_s * SAMPLE_RATE_HZ:
            yield self._cut()
        elif self._quiet is not None and probability < rules.end_threshold:
            quiet_samples = (self._frame - self._quiet) * FRAME_SAMPLES
            if quiet_samples >= rules.min_silence_s * SAMPLE_RATE_HZ:
                span = Span(self._start * FRAME_SAMPLES, self._quiet * FRAME_SAMPLES)
                self._start = self._quiet = None
                if span.end - span.start > rules.min_speech_s * SAMPLE_RATE_HZ:
                    yield span

    def _cut(self) -> Span:
        """Cut a stretch that has become too long where it is least like speech."""
        assert self._start is not None
        count = len(self._current)
        tail = range(2 * count // 3, count)
        at = min(tail, key=lambda index: self._current[index])
        span = Span(self._start * FRAME_SAMPLES, (self._start + at) * FRAME_SAMPLES)
        self._start, self._quiet = self._start + at, None
        self._current = self._current[at:]
        return span

    def _hold(self, span: Span) -> Iterable[Span]:
        """Pad ``span`` in front and the one held before it behind, sharing a short pause."""
        before = self._held
        if before is None:
            self._held = Span(max(0, span.start - self._pad), span.end)
            return
        pause = span.start - before.end
        share = self._pad if pause >= 2 * self._pad else pause // 2
        self._held = Span(span.start - share, span.end)
        yield Span(before.start, before.end + share)

    def _release(self) -> Iterable[Span]:
        """Let the held stretch go once the pause after it is long enough to be its own."""
        held = self._held
        if held is None or self._start is not None:
            return
        if self._frame * FRAME_SAMPLES - held.end >= 2 * self._pad:
            self._held = None
            yield Span(held.start, held.end + self._pad)
