"""Admission: an item that could not be answered in time is refused at once, with a time to retry.

When an item that comes now would be answered follows from what runs, what waits before it, and its
own batch. Whole batches are counted, not items: a queue of ten costs two batches of five, not ten.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import NoReturn

from shared.batching.cost import CostModel
from shared.batching.counts import BatchCounts
from shared.batching.items import BatchLimits, Item, Priority
from shared.batching.waiting import Held, WaitQueue
from shared.errors import QueueFull

OVERRUN_SHARE = 0.1
"""A batch that already takes longer than predicted is taken to need this share of its age more."""
USED_SLACK = 0.9
"""Share of an item's time that may be planned for; the rest is for what no prediction sees."""


@dataclass(frozen=True)
class Lanes:
    """What the lanes do now."""

    idle: int
    running_s: Sequence[float]  # for each busy lane, what its batch still takes


@dataclass(frozen=True)
class Forecast:
    """What an item that came now would meet, in s."""

    wait_s: float  # until its batch starts
    run_s: float  # of its batch


class Admission:
    """Decides at the door."""

    def __init__(
        self,
        limits: BatchLimits,
        queue: WaitQueue,
        cost: CostModel,
        counts: BatchCounts,
        *,
        lanes: Callable[[], Lanes],
        budget: Callable[[Hashable], float],
    ) -> None:
        """Decide by what the queue holds.

        Args:
            limits: bounds of the queue.
            queue: what waits.
            cost: run time of a batch by its weight.
            counts: where refusals are counted.
            lanes: tells what the lanes do.
            budget: most weight of a batch, by key.
        """
        self.limits = limits
        self._queue, self._cost, self._counts = queue, cost, counts
        self._lanes, self._budget = lanes, budget
        self._done_by = 0.0  # all that was accepted should be answered by then: an upper bound

    def wait_s(self) -> float:
        """How long an item that came now would wait before its batch starts, in s."""
        lanes = self._lanes()
        if lanes.idle and not len(self._queue):
            return 0.0
        work_s = self._work_s(self._queue.held(Priority.INTERACTIVE))
        work_s += self._work_before(Priority.INTERACTIVE)
        return (sum(lanes.running_s) + work_s) / max(1, lanes.idle + len(lanes.running_s))

    def admit(self, item: Item, now: float, *, starts_at_once: bool) -> None:
        """Take an item, or refuse it.

        Args:
            item: the item.
            now: on the clock of its deadline.
            starts_at_once: a lane is idle and nothing waits.

        Raises:
            QueueFull: the queue is full, or the item could not be answered before its deadline.
        """
        fixed_s, slope_s = self._cost.line
        alone_s = fixed_s + slope_s * item.weight
        if starts_at_once:
            self._done_by = now + alone_s
            return
        limits, queue = self.limits, self._queue
        if len(queue) >= limits.max_queue_items:
            self.refuse("queue_full", "too many requests are waiting")
        if queue.size_bytes + item.size_bytes > limits.max_queue_bytes:
            self.refuse("queue_bytes", "waiting requests hold too much memory")
        # One batch after the other for each item is never too short, and quickly told.
        done_by = (self._done_by if self._done_by > now else now) + alone_s
        latest = now + USED_SLACK * (item.deadline - now)
        if done_by > latest and self._cost.is_known:
            forecast = self.forecast(item)
            done_by = now + forecast.wait_s + forecast.run_s
            if done_by > latest:
                self.refuse("predicted_wait", "the wait would outlast the deadline")
        self._done_by = done_by

    def refuse(self, reason: str, text: str) -> NoReturn:
        """Refuse with the time after which to try again.

        Raises:
            QueueFull: always.
        """
        self._counts.shed(reason)
        raise QueueFull(text, retry_after_s=self.wait_s())

    def forecast(self, item: Item) -> Forecast:
        """Predict the wait and the run of an item that comes now.

        All that waits in the item's own class counts as before it, although more urgent items go
        first: so an item that is accepted leaves every accepted item with a later deadline enough
        time. Of the other class counts what the fair share lets before it.
        """
        lanes, held = self._lanes(), self._queue.held(item.priority)
        ahead_s = self._work_s(held) + self._work_before(item.priority)
        run_s, added_s = self._own_batch(item, held.get(item.key, _NOTHING))
        before_s = sum(lanes.running_s) + max(0.0, ahead_s + added_s - run_s)
        return Forecast(before_s / max(1, lanes.idle + len(lanes.running_s)), run_s)

    def _work_s(self, held: dict[Hashable, Held]) -> float:
        """Time of one lane for everything held: a fixed cost a batch and one a unit of weight."""
        fixed, slope = self._cost.line
        return sum(
            fixed * self._batches(key, each.items, each.weight) + slope * each.weight
            for key, each in held.items()
        )

    def _batches(self, key: Hashable, items: int, weight: float) -> int:
        most = self._budget(key)
        by_weight = 0 if most == inf or weight <= most else ceil(weight / most)
        return min(items, max(-(-items // self.limits.max_batch_size), by_weight))

    def _own_batch(self, item: Item, held: Held) -> tuple[float, float]:
        """Run time of the last batch of an item's key once it is in, and the work that it adds."""
        fixed, slope = self._cost.line
        weight = held.weight + item.weight
        batches = self._batches(item.key, held.items + 1, weight)
        added = batches - self._batches(item.key, held.items, held.weight)
        return fixed + slope * weight / batches, fixed * added + slope * item.weight

    def _work_before(self, priority: Priority) -> float:
        """Work of the other class that goes before the end of the own one, by the fair share."""
        other = self._queue.held(Priority(1 - priority))
        if not other:
            return 0.0
        mine = 1 + sum(each.items for each in self._queue.held(priority).values())
        theirs = sum(each.items for each in other.values())
        share = self.limits.interactive_share
        before = mine / share + 1 if priority is Priority.INTERACTIVE else mine * share
        return min(1.0, before / theirs) * self._work_s(other)


def left_s(predicted_s: float, elapsed_s: float) -> float:
    """What a batch that has run for ``elapsed_s`` still takes."""
    return max(predicted_s - elapsed_s, OVERRUN_SHARE * elapsed_s)


_NOTHING = Held()
