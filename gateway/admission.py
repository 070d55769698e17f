"""Admission: a bounded number of requests per service, a bounded wait for the others.

Who would wait longer than makes sense is refused at once with 503 and told when to come back, so
that a service under too much load goes on doing useful work at its best rate.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType

from gateway.adaptive_limit import AdaptiveLimit
from shared.errors import QueueFull

INTERACTIVE_PER_BULK = 8  # when both wait
BULK_SHARE = 0.8  # of the places; bulk requests leave the others to interactive ones
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
class _Lane:
    """Requests of one service."""

    limit: AdaptiveLimit = field(default_factory=AdaptiveLimit)
    in_flight: int = 0
    bulk_in_flight: int = 0
    waiting: int = 0
    mean_s: float = 0.0  # running mean of the time in service
    queues: dict[Priority, deque[asyncio.Future[None]]] = field(
        default_factory=lambda: {priority: deque() for priority in Priority}
    )
    interactive_in_a_row: int = 0

    def has_place(self, priority: Priority) -> bool:
        """Whether a request of this class may begin."""
        if self.in_flight >= self.limit.value:
            return False
        if priority is Priority.INTERACTIVE:
            return True
        return self.bulk_in_flight < max(1.0, BULK_SHARE * self.limit.value)

    def begin(self, priority: Priority) -> None:
        """Take a place."""
        self.in_flight += 1
        if priority is Priority.BULK:
            self.bulk_in_flight += 1

    def end(self, priority: Priority) -> None:
        """Give a place back, to those that wait."""
        self.in_flight -= 1
        if priority is Priority.BULK:
            self.bulk_in_flight -= 1
        if self.waiting:
            self.wake_next()

    def predicted_wait_s(self) -> float:
        """Wait of a request that comes now, from the mean time in service (Little's law)."""
        return (self.waiting + 1) * self.mean_s / self.limit.value

    def wake_next(self) -> None:
        """Let those in that now fit."""
        while (priority := self._next_class()) is not None:
            turn = self.queues[priority].popleft()
            self.waiting -= 1
            if not turn.done():
                turn.set_result(None)
                self.begin(priority)

    def forget(self, priority: Priority, turn: asyncio.Future[None]) -> bool:
        """Take a waiting request out; returns whether it was still waiting."""
        if turn not in self.queues[priority]:
            return False
        self.queues[priority].remove(turn)
        self.waiting -= 1
        return True

    def _next_class(self) -> Priority | None:
        """Which class goes next, if any of those that wait may."""
        fit = [each for each in Priority if self.queues[each] and self.has_place(each)]
        if not fit:
            return None
        turn_of_bulk = self.interactive_in_a_row >= INTERACTIVE_PER_BULK
        if Priority.BULK in fit and (turn_of_bulk or len(fit) == 1):
            self.interactive_in_a_row = 0
            return Priority.BULK
        self.interactive_in_a_row += 1
        return Priority.INTERACTIVE


class Slot:
    """A place in a service, held until the end of an ``async with`` block."""

    __slots__ = (
        "_clock", "_entered", "_is_held", "_lane", "_limits", "_priority", "_remaining_s",
        "went_well",
    )  # fmt: skip

    def __init__(
        self,
        lane: _Lane,
        limits: AdmissionLimits,
        clock: Callable[[], float],
        priority: Priority,
        remaining_s: float,
    ) -> None:
        """Ask for a place in ``lane``; ``clock`` tells the loop's time."""
        self.went_well: bool | None = None
        """Set inside the block; False: refused by the service, or out of time."""
        self._lane = lane
        self._limits = limits
        self._priority = priority
        self._remaining_s = remaining_s
        self._clock = clock
        self._entered = 0.0
        self._is_held = False

    def take_now(self) -> bool:
        """Take the place, if there is one and nobody waits for it."""
        lane = self._lane
        if lane.waiting or not lane.has_place(self._priority):
            return False
        lane.begin(self._priority)
        self._hold()
        return True

    async def __aenter__(self) -> "Slot":
        """Take the place, or wait for one; nothing if it was taken before."""
        if not self._is_held and not self.take_now():
            await self._wait()
            self._hold()
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Give the place back."""
        self.leave()

    def leave(self) -> None:
        """Give the place back, and learn from how the request went."""
        lane = self._lane
        if self.went_well:
            lane.limit.succeeded(lane.in_flight)
            spent_s = self._clock() - self._entered
            lane.mean_s += SMOOTHING * (spent_s - lane.mean_s) if lane.mean_s else spent_s
        elif self.went_well is False:
            lane.limit.overloaded(lane.in_flight, began=self._entered, now=self._clock())
        lane.end(self._priority)

    def _hold(self) -> None:
        self._is_held = True
        self._entered = self._clock()

    async def _wait(self) -> None:
        lane, priority = self._lane, self._priority
        wait_s = lane.predicted_wait_s()
        planned_s = longest_s = min(self._limits.max_wait_s, self._remaining_s)
        if lane.limit.is_overloaded(self._clock()):
            # A longer queue would make all wait and bring no more answers.
            planned_s = min(longest_s, lane.mean_s)
        if wait_s > planned_s or lane.waiting >= self._limits.max_waiting:
            raise QueueFull(
                f"the wait would be about {wait_s:.1f} s; try again later", retry_after_s=wait_s
            )
        turn = asyncio.get_running_loop().create_future()
        lane.queues[priority].append(turn)
        lane.waiting += 1
        lane.wake_next()  # those before it may be of a class that has no place
        try:
            async with asyncio.timeout(longest_s):
                await turn
        except BaseException as error:
            if not lane.forget(priority, turn):
                lane.end(priority)  # given a place and cancelled in the same moment: pass it on
            if isinstance(error, TimeoutError):
                raise QueueFull("no place became free in time", retry_after_s=wait_s) from error
            raise


class Admission:
    """Admits requests, service by service."""

    def __init__(self, limits: AdmissionLimits) -> None:
        """Admit within ``limits``."""
        self._limits = limits
        self._lanes: dict[str, _Lane] = defaultdict(_Lane)
        self._clock: Callable[[], float] | None = None  # of the loop of the first request

    def state(self, service: str) -> dict[str, float]:
        """Limit, requests in flight and waiting, for listings."""
        lane = self._lanes[service]
        return {
            "limit": round(lane.limit.value, 1),
            "in_flight": lane.in_flight,
            "waiting": lane.waiting,
        }

    def slot(self, service: str, priority: Priority, remaining_s: float) -> Slot:
        """A place in the service, for an ``async with`` block; waits for one if there is none.

        Args:
            service: name of the service.
            priority: of two that wait, the interactive one usually goes first, and some places
                are kept for it.
            remaining_s: time until the request's deadline.

        Raises:
            QueueFull: on entering, when the wait would be too long.
        """
        if self._clock is None:
            self._clock = asyncio.get_running_loop().time
        return Slot(self._lanes[service], self._limits, self._clock, priority, remaining_s)
