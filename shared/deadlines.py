"""Deadlines of many short calls, watched by one timer instead of one each."""

import asyncio
import time
from math import inf
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    """What has a deadline."""

    deadline: float  # absolute, on time.monotonic(), in s

    def expire(self) -> None:
        """The deadline has passed; the call is to be dropped from its ``Deadlines`` by this."""


Call = TypeVar("Call", bound=Timed)


class Deadlines(Generic[Call]):
    """The calls that are being answered."""

    def __init__(self) -> None:
        """Watch none yet."""
        self._open: dict[Call, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf

    def add(self, call: Call) -> None:
        """Watch a call until ``drop``; inside the event loop."""
        self._open[call] = None
        if call.deadline < self._timer_at:
            self._set_timer(call.deadline)

    def drop(self, call: Call) -> None:
        """Watch it no more; harmless if it is not watched."""
        self._open.pop(call, None)

    def _set_timer(self, at: float) -> None:
        """Wake at the earliest deadline."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        delay_s = max(0.0, at - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_time)

    def _on_time(self) -> None:
        self._timer, self._timer_at = None, inf
        now = time.monotonic()
        for call in [each for each in self._open if each.deadline <= now]:
            call.expire()
        if self._open:
            self._set_timer(min(each.deadline for each in self._open))
