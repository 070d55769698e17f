"""Ends the work on a request when its time is over or its client has left.

Most requests are answered before either needs a thought, so one timer is all that a quick one
pays for: only after ``NOTICE_S`` its client is watched and its deadline armed.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto

NOTICE_S = 0.1
"""How late a client's leaving may be noticed."""


class Ending(Enum):
    """Why a request was ended."""

    CLIENT_LEFT = auto()
    DEADLINE = auto()


class Guard:
    """Guards the current task from ``start`` to ``stop``."""

    __slots__ = ("_deadline", "_loop", "_on_notice", "_task", "_timer", "ending")

    def __init__(self) -> None:
        """Guard nothing yet."""
        self.ending: Ending | None = None  # set before the task is cancelled
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._on_notice: Callable[[], None] | None = None

    def start(self, deadline: float, on_notice: Callable[[], None]) -> None:
        """Begin.

        Args:
            deadline: loop time at which the task is cancelled.
            on_notice: called after ``NOTICE_S``, to begin to watch the client.
        """
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        self._deadline, self._on_notice = deadline, on_notice
        self._timer = self._loop.call_at(
            min(deadline, self._loop.time() + NOTICE_S), self._take_notice
        )

    def stop(self) -> None:
        """Let the task be, and refer to nothing of the request: it is freed with its last use."""
        if self._timer is not None:
            self._timer.cancel()
        self._task = self._timer = self._on_notice = None

    def end(self, reason: Ending) -> None:
        """Cancel the work, unless it has ended or is being ended."""
        if self._task is not None and self.ending is None:
            self.ending = reason
            self._task.cancel()

    def _take_notice(self) -> None:
        if self._on_notice is not None:
            self._on_notice()
        self._timer = self._loop.call_at(self._deadline, self.end, Ending.DEADLINE)
