"""``Background``: tasks that run beside the work of their owner, and end with it."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Background:
    """Tasks that somebody holds on to; the loop alone would let them be collected."""

    def __init__(self) -> None:
        """Run nothing yet."""
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run ``work`` until it is done, or all is ended."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def cancel(self) -> None:
        """Cancel all that runs; a task of these that calls this goes on to its next wait."""
        for task in self._tasks:
            task.cancel()

    async def end(self) -> None:
        """Cancel all that runs, and wait until it has ended."""
        self.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
