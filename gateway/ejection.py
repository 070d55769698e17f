"""Passive outlier detection: a replica that keeps failing requests rests for a while.

It is ejected after a few failures in a row, or when half of its recent requests failed; each
further ejection lasts twice as long. When its rest is over, one request at a time tries it out
(half-open), and the first success brings it back. The scheme is that of Envoy's outlier detection.
"""

from collections import deque
from dataclasses import dataclass, field

FAILURES_IN_A_ROW = 3
WINDOW_S = 10.0
SPAN_S = 0.25
WINDOW_MIN_REQUESTS = 20
WINDOW_FAILED_SHARE = 0.5
BASE_REST_S = 5.0
MAX_REST_S = 60.0


@dataclass
class OutlierState:
    """What is known of one replica's recent requests; times are loop times in s."""

    ejected_until: float | None = None
    ejections: int = 0  # without a recovery between them
    _in_a_row: int = 0
    _recent: deque["_Span"] = field(default_factory=deque)  # the oldest first
    _is_on_trial: bool = False

    def is_available(self, now: float) -> bool:
        """Whether it may take a request: not resting, and no trial of it is under way."""
        if self.ejected_until is None:
            return True
        return now >= self.ejected_until and not self._is_on_trial

    def begin(self) -> bool:
        """Note that a request goes to it.

        Returns:
            Whether this request is the trial of an ejected replica.
        """
        if self.ejected_until is None or self._is_on_trial:
            return False
        self._is_on_trial = True
        return True

    def end_trial(self) -> None:
        """The trial is over, whatever came of it."""
        self._is_on_trial = False

    def succeeded(self, now: float) -> None:
        """Note a request that it answered; one is enough to bring it back."""
        self._in_a_row = 0
        if self.ejected_until is not None and now >= self.ejected_until:
            self.ejected_until = None
            self.ejections = 0
            self._recent.clear()
        self._note(now, has_failed=False)

    def failed(self, now: float) -> bool:
        """Note a request that it failed.

        Returns:
            Whether it is ejected by this.
        """
        self._in_a_row += 1
        self._note(now, has_failed=True)
        if self.ejected_until is not None and now < self.ejected_until:
            return False  # a request from before its ejection
        is_bad = (
            self.ejected_until is not None  # its trial failed
            or self._in_a_row >= FAILURES_IN_A_ROW
            or self._share_failed() > WINDOW_FAILED_SHARE
        )
        if is_bad:
            rest_s = min(MAX_REST_S, BASE_REST_S * 2.0**self.ejections)
            self.ejections += 1
            self.ejected_until = now + rest_s
            self._in_a_row = 0
            self._recent.clear()
        return is_bad

    def _note(self, now: float, *, has_failed: bool) -> None:
        recent = self._recent
        if not recent or now >= recent[-1].began + SPAN_S:
            recent.append(_Span(now))
            while recent[0].began < now - WINDOW_S:
                recent.popleft()
        span = recent[-1]
        span.requests += 1
        span.failed += has_failed

    def _share_failed(self) -> float:
        requests = sum(span.requests for span in self._recent)
        if requests < WINDOW_MIN_REQUESTS:
            return 0.0
        return sum(span.failed for span in self._recent) / requests


@dataclass(slots=True)
class _Span:
    """Requests of ``SPAN_S``, counted together: a busy replica has many thousands in the window."""

    began: float
    requests: int = 0
    failed: int = 0


def available(states: "list[OutlierState]", now: float) -> "list[int]":
    """Places of the replicas that may take work.

    When fewer than half would be left, all count as available: then the fault is more likely to
    lie in the requests or in what the replicas share.
    """
    fit = [place for place, state in enumerate(states) if state.is_available(now)]
    return fit if 2 * len(fit) >= len(states) else list(range(len(states)))
