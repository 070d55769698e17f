"""What is known about the request being answered: id, deadline, timings, model, device.

The HTTP layer opens one ``RequestContext`` per request; routes and the batcher write into it, and
the HTTP layer turns it into response headers.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

STEPS = ("gateway", "queue", "preprocess", "inference", "postprocess")
"""Order of the steps in ``Server-Timing``."""

LOCAL = "local"
"""Caller of a request that came without a key of its own."""


@dataclass
class Progress:
    """How far a long request has come, for ``/progress/{request_id}``."""

    stage: str = "waiting"
    done: int = 0
    total: int = 0  # 0 while unknown


@dataclass
class RequestContext:
    """Facts of one request."""

    request_id: str
    deadline: float  # absolute, on time.monotonic(), in s
    caller: str = LOCAL  # whose request it is: what is kept for one caller is no other's
    timings_ms: dict[str, float] = field(default_factory=dict)
    model: str | None = None
    device: str | None = None
    cache: str = "off"
    progress: Progress = field(default_factory=Progress)

    @contextmanager
    def measure(self, step: str) -> Iterator[None]:
        """Add the time spent inside to ``step``."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add_ms(step, (time.perf_counter() - started) * 1000)

    def add_ms(self, step: str, duration_ms: float) -> None:
        """Add a duration to ``step``."""
        self.timings_ms[step] = self.timings_ms.get(step, 0.0) + duration_ms

    def remaining_s(self) -> float:
        """Seconds left until the deadline; negative when it has passed."""
        return self.deadline - time.monotonic()

    def rounded_timings(self) -> dict[str, float]:
        """Durations by step in ms, in the order of ``STEPS``, for ``timing_ms`` in answers."""
        timings = self.timings_ms
        shown = {step: round(timings[step], 3) for step in STEPS if step in timings}
        for step in timings.keys() - shown.keys():
            shown[step] = round(timings[step], 3)
        return shown

    def server_timing(self) -> str:
        """Value of the ``Server-Timing`` header (W3C Server Timing), durations in ms."""
        return ", ".join(f"{step};dur={ms:g}" for step, ms in self.rounded_timings().items())


_current: ContextVar[RequestContext | None] = ContextVar("request_context", default=None)


def request_context() -> RequestContext:
    """The context of the request being answered.

    Raises:
        LookupError: called outside a request.
    """
    context = _current.get()
    if context is None:
        raise LookupError("no request is being answered here")
    return context


@contextmanager
def entered(context: RequestContext) -> Iterator[RequestContext]:
    """Make ``context`` the current one inside the block."""
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)
