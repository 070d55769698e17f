"""The queue, and the choice of the next batch's members. Pure: no clock, no loop, no engine."""

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from math import inf
from typing import Any

from shared.batching.items import Item, Priority


@dataclass(eq=False)
class Waiting:
    """An item in the queue and the future of its caller."""

    item: Item
    arrival: float  # on the batcher's clock, in s
    number: int  # order of arrival
    done: "asyncio.Future[Any]"

    @property
    def is_abandoned(self) -> bool:
        """Whether its caller has gone or has been answered."""
        return self.done.done()


class WaitQueue:
    """Items waiting for a lane."""

    def __init__(self, *, interactive_share: int, aging_s: float) -> None:
        """Start empty.

        Args:
            interactive_share: interactive items started for each bulk one, while both wait.
            aging_s: an item is treated as if its deadline were at most this long after its arrival.
        """
        self._waiting: dict[Waiting, None] = {}  # ordered by arrival
        self._share = interactive_share
        self._aging_s = aging_s
        self._credit = interactive_share  # interactive items until a bulk one is due
        self.size_bytes = 0
        self.weight = 0.0  # sum of all that waits; kept, as every submission asks for it

    def __len__(self) -> int:
        """Items waiting."""
        return len(self._waiting)

    @property
    def earliest_deadline(self) -> float:
        """The tightest deadline in the queue; infinite when it is empty."""
        return min((each.item.deadline for each in self._waiting), default=inf)

    def all(self) -> list[Waiting]:
        """All that waits, in order of arrival."""
        return list(self._waiting)

    def push(self, waiting: Waiting) -> None:
        """Add an item."""
        self._waiting[waiting] = None
        self.size_bytes += waiting.item.size_bytes
        self.weight += waiting.item.weight

    def discard(self, waiting: Waiting) -> bool:
        """Take an item out; False when it was not there any more."""
        if waiting not in self._waiting:
            return False
        del self._waiting[waiting]
        self.size_bytes -= waiting.item.size_bytes
        # An empty queue weighs nothing, whatever rounding left over.
        self.weight = self.weight - waiting.item.weight if self._waiting else 0.0
        return True

    def take_expired(self, now: float) -> list[Waiting]:
        """Take out what must not be started any more because its time has run out."""
        expired = [each for each in self._waiting if each.item.deadline <= now]
        for each in expired:
            self.discard(each)
        return expired

    def take_batch(self, max_items: int, max_weight: Callable[[Hashable], float]) -> list[Waiting]:
        """Take out the members of the next batch.

        The most urgent item of the class whose turn it is leads; items with the same key join it in
        order of urgency while count and weight allow, those of its own class first.

        Args:
            max_items: most items.
            max_weight: most weight, by key; the leader is taken whatever it weighs.
        """
        live = [each for each in self._waiting if not each.is_abandoned]
        if not live:
            return []
        turn = self._whose_turn(live)
        live.sort(key=lambda each: (each.item.priority != turn, *self._urgency(each)))
        leader = live[0]
        batch, room = [leader], max_weight(leader.item.key) - leader.item.weight
        for each in live[1:]:
            if len(batch) >= max_items:
                break
            if each.item.key == leader.item.key and each.item.weight <= room:
                batch.append(each)
                room -= each.item.weight
        for each in batch:
            self.discard(each)
        self._charge(batch)
        return batch

    def _urgency(self, waiting: Waiting) -> tuple[float, int]:
        aged = waiting.arrival + self._aging_s
        return (min(waiting.item.deadline, aged), waiting.number)

    def _whose_turn(self, live: list[Waiting]) -> Priority:
        classes = {each.item.priority for each in live}
        if len(classes) == 1:
            return classes.pop()
        return Priority.INTERACTIVE if self._credit > 0 else Priority.BULK

    def _charge(self, batch: list[Waiting]) -> None:
        bulk = sum(each.item.priority is Priority.BULK for each in batch)
        if bulk:
            self._credit = min(self._share, max(0, self._credit) + self._share * bulk)
        self._credit -= len(batch) - bulk
