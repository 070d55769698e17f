"""Cut a recording into windows that the model can take at once, at pauses. Plain functions.

A window is contiguous audio: real pauses stay inside it, because speech that is spliced together
loses its times. Pauses of several seconds end a window, since there is nothing to hear in them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from services.whisper.speech import Span
from services.whisper.tasks import SAMPLE_RATE_HZ

MAX_PAUSE_S = 5.0
CUT_ZONE = 1 / 3
"""A full window is cut at the longest pause in this last part of it."""


@dataclass(frozen=True)
class Window:
    """Part of a recording that goes through the model at once."""

    index: int
    span: Span
    speech: tuple[Span, ...]  # the stretches of speech in it

    @property
    def start_s(self) -> float:
        """Where it begins in the recording."""
        return self.span.start / SAMPLE_RATE_HZ


class WindowCutter:
    """Packs stretches of speech into windows, as they come."""

    def __init__(self, max_window_s: float, *, max_pause_s: float = MAX_PAUSE_S) -> None:
        """Set the bounds.

        Args:
            max_window_s: longest window; no stretch given may be longer.
            max_pause_s: a longer pause ends a window.
        """
        self._max_samples = round(max_window_s * SAMPLE_RATE_HZ)
        self._max_pause = round(max_pause_s * SAMPLE_RATE_HZ)
        self._open: list[Span] = []
        self._count = 0

    def feed(self, spans: Iterable[Span], heard_until: int) -> list[Window]:
        """Take further stretches of speech.

        Args:
            spans: in order, after those given before.
            heard_until: sample up to which the recording is known.

        Returns:
            Windows that are complete now.
        """
        done: list[Window] = []
        for span in spans:
            if self._open and span.start - self._open[-1].end > self._max_pause:
                done.append(self._close(len(self._open)))
            while self._open and span.end - self._open[0].start > self._max_samples:
                done.append(self._close(self._best_cut()))
            self._open.append(span)
        if self._open and heard_until - self._open[-1].end > self._max_pause:
            done.append(self._close(len(self._open)))
        return done

    def finish(self) -> list[Window]:
        """End the recording."""
        return [self._close(len(self._open))] if self._open else []

    def _best_cut(self) -> int:
        """How many of the open stretches the next window takes."""
        first, count = self._open[0].start, len(self._open)
        zone = first + self._max_samples * (1 - CUT_ZONE)
        late = [n for n in range(1, count) if self._open[n - 1].end >= zone]
        if not late:
            return count
        return max(late, key=lambda n: (self._open[n].start - self._open[n - 1].end, n))

    def _close(self, count: int) -> Window:
        taken, self._open = self._open[:count], self._open[count:]
        self._count += 1
        return Window(self._count - 1, Span(taken[0].start, taken[-1].end), tuple(taken))
