"""Admission: a bounded number of requests per service, a bounded wait for the others.

Who would wait longer than makes sense is refused at once with 503 and told when to come back, so
that a service under too much load goes on doing useful work at its best rate.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.adaptive_limit import AdaptiveLimit
from shared.errors import QueueFull

INTERACTIVE_PER_BULK = 8  # when both wait
SMOOTHING = 0.1  # weight of the newest service time in the running mean


class Priority(StrEnum):
    """Class of a request; header ``X-Priority``."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


@dataclass(frozen=True)
class AdmissionLimits:
    """Bounds of the wait."""

    max_wait_s: float = 10.0
    max_waiting: int = 2048  # requests per service


@dataclass
class Slot:
    """An admitted request; the data plane tells how it went."""

    went_well: bool | None = None  # False: refused by the service, or out of time


@dataclass
class _Lane:
    """Requests of one service."""

    limit: AdaptiveLimit = field(default_factory=AdaptiveLimit)
    in_flight: int = 0
    mean_s: float = 0.0  # running mean of the time in service
    queues: dict[Priority, deque[asyncio.Future[None]]] = field(
        default_factory=lambda: {priority: deque() for priority in Priority}
    )
    interactive_in_a_row: int = 0

    @property
    def waiting(self) -> int:
        return len(self.queues[Priority.INTERACTIVE]) + len(self.queues[Priority.BULK])

    def predicted_wait_s(self) -> float:
        """Wait of a request that comes now, from the mean time in service (Little's law)."""
        return (self.waiting + 1) * self.mean_s / self.limit.value

    def wake_next(self) -> None:
        """Let those in that now fit."""
        while self.in_flight < self.limit.value and self.waiting:
            turn = self._next_queue().popleft()
            if not turn.done():
                turn.set_result(None)
                self.in_flight += 1

    def _next_queue(self) -> deque[asyncio.Future[None]]:
        interactive, bulk = self.queues[Priority.INTERACTIVE], self.queues[Priority.BULK]
        if bulk and (not interactive or self.interactive_in_a_row >= INTERACTIVE_PER_BULK):
            self.interactive_in_a_row = 0
            return bulk
        self.interactive_in_a_row += 1
        return interactive


class Admission:
    """Admits requests, service by service."""

    def __init__(self, limits: AdmissionLimits) -> None:
        """Admit within ``limits``."""
        self._limits = limits
        self._lanes: dict[str, _Lane] = defaultdict(_Lane)

    def state(self, service: str) -> dict[str, float]:
        """Limit, requests in flight and waiting, for listings."""
        lane = self._lanes[service]
        return {
            "limit": round(lane.limit.value, 1),
            "in_flight": lane.in_flight,
            "waiting": lane.waiting,
        }

    @asynccontextmanager
    async def slot(
        self, service: str, priority: Priority, remaining_s: float
    ) -> AsyncIterator[Slot]:
        """Hold a place in the service; waits for one if there is none.

        Args:
            service: name of the service.
            priority: of two that wait, the interactive one usually goes first.
            remaining_s: time until the request's deadline.

        Raises:
            QueueFull: the wait would be too long.
        """
        lane = self._lanes[service]
        await self._enter(lane, priority, remaining_s)
        clock = asyncio.get_running_loop().time
        entered, slot = clock(), Slot()
        try:
            yield slot
        finally:
            if slot.went_well is False:
                lane.limit.overloaded(lane.in_flight, clock())
            elif slot.went_well:
                lane.limit.succeeded(lane.in_flight)
                spent_s = clock() - entered
                lane.mean_s += SMOOTHING * (spent_s - lane.mean_s) if lane.mean_s else spent_s
            lane.in_flight -= 1
            if lane.waiting:
                lane.wake_next()

    async def _enter(self, lane: _Lane, priority: Priority, remaining_s: float) -> None:
        if lane.in_flight < lane.limit.value and not lane.waiting:
            lane.in_flight += 1
            return
        wait_s = lane.predicted_wait_s()
        longest_s = min(self._limits.max_wait_s, remaining_s)
        if wait_s > longest_s or lane.waiting >= self._limits.max_waiting:
            raise QueueFull(
                f"the wait would be about {wait_s:.1f} s; try again later", retry_after_s=wait_s
            )
        turn = asyncio.get_running_loop().create_future()
        lane.queues[priority].append(turn)
        try:
            async with asyncio.timeout(longest_s):
                await turn
        except BaseException as error:
            if not _forget(lane, priority, turn):
                # Given a place and cancelled in the same moment: pass the place on.
                lane.in_flight -= 1
                lane.wake_next()
            if isinstance(error, TimeoutError):
                raise QueueFull("no place became free in time", retry_after_s=wait_s) from error
            raise


def _forget(lane: _Lane, priority: Priority, turn: asyncio.Future[None]) -> bool:
    """Take a waiting request out; returns whether it was still waiting."""
    if turn in lane.queues[priority]:
        lane.queues[priority].remove(turn)
        return True
    return False
