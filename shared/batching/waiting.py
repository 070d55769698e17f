"""The queue, and the choice of the next batch's members. Pure: no clock, no loop, no engine."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

from shared.batching.items import Item, Priority


class Outcome(Protocol):
    """Where the outcome of an item goes; an ``asyncio.Future`` is one."""

    def done(self) -> bool:
        """Whether nobody waits for it any more: it was set, or the caller has left."""
        ...

    def set_result(self, result: Any, /) -> None:  # noqa: ANN401 - whatever the engine returns
        """Take the result."""
        ...

    def set_exception(self, error: Exception, /) -> None:
        """Take the error."""
        ...


@dataclass(eq=False, slots=True)
class Waiting:
    """An item in the queue and where its outcome goes."""

    item: Item
    arrival: float  # on the batcher's clock, in s
    number: int  # order of arrival
    done: Outcome


@dataclass(slots=True)
class Held:
    """What waits of one class of service with one key."""

    items: int = 0
    weight: float = 0.0


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
        self._calm = interactive_share  # batches since the last one that held interactive items
        self._held: dict[Priority, dict[Hashable, Held]] = {each: {} for each in Priority}
        self._earliest = inf  # no deadline in the queue is before this
        self.size_bytes = 0
        self.weight = 0.0  # sum of all that waits; kept, as every submission asks for it

    def __len__(self) -> int:
        """Items waiting."""
        return len(self._waiting)

    @property
    def earliest_deadline(self) -> float:
        """The tightest deadline in the queue; infinite when it is empty."""
        return min((each.item.deadline for each in self._waiting), default=inf)

    @property
    def oldest_arrival(self) -> float:
        """When the item came that has waited longest; the queue must not be empty."""
        return next(iter(self._waiting)).arrival

    def all(self) -> list[Waiting]:
        """All that waits, in order of arrival."""
        return list(self._waiting)

    def held(self, priority: Priority) -> dict[Hashable, Held]:
        """What waits of a class of service, by key; kept, as every submission asks for it."""
        return self._held[priority]

    def push(self, waiting: Waiting) -> None:
        """Add an item."""
        item = waiting.item
        self._waiting[waiting] = None
        if item.deadline < self._earliest:
            self._earliest = item.deadline
        self.size_bytes += item.size_bytes
        self.weight += item.weight
        of_class = self._held[item.priority]
        held = of_class.get(item.key)
        if held is None:
            held = of_class[item.key] = Held()
        held.items += 1
        held.weight += item.weight

    def discard(self, waiting: Waiting) -> bool:
        """Take an item out; False when it was not there any more."""
        if waiting not in self._waiting:
            return False
        item = waiting.item
        del self._waiting[waiting]
        self.size_bytes -= item.size_bytes
        # An empty queue weighs nothing, whatever rounding left over.
        self.weight = self.weight - item.weight if self._waiting else 0.0
        of_class = self._held[item.priority]
        held = of_class[item.key]
        held.items -= 1
        held.weight -= item.weight
        if not held.items:
            del of_class[item.key]
        return True

    def take_expired(self, now: float, run_s: float = 0.0) -> list[Waiting]:
        """Take out what must not be started any more.

        Args:
            now: items whose deadline has passed are taken.
            run_s: so long will a batch take: items that it could not answer in time are taken as
                well, unless that would be all of them. A prediction that is too long must not
                keep the engine from the run that would correct it.
        """
        if self._earliest > now + run_s:
            return []
        late = [each for each in self._waiting if each.item.deadline <= now + run_s]
        if len(late) == len(self._waiting):
            late = [each for each in late if each.item.deadline <= now]
        for each in late:
            self.discard(each)
        self._earliest = self.earliest_deadline
        return late

    def take_batch(
        self,
        max_items: int,
        max_weight: Callable[[Hashable], float],
        bulk_room: Callable[[float], float] = lambda _weight: inf,
    ) -> list[Waiting]:
        """Take out the members of the next batch.

        The most urgent item of the class whose turn it is leads; items with the same key join it in
        order of urgency while count and weight allow, those of its own class first. Interactive
        items wait for the batch before theirs and for their own; while they come, and some batches
        longer, bulk items keep both short.

        Args:
            max_items: most items.
            max_weight: most weight, by key; the leader is taken whatever it weighs.
            bulk_room: most weight of bulk items that may join a batch of this weight meanwhile.
        """
        live = [each for each in self._waiting if not each.done.done()]  # else it is abandoned
        if not live:
            return []
        holds_back = self._holds_back()
        if not holds_back and self._fits_as_a_whole(max_items, max_weight):
            return self._whole(live)
        turn = self._whose_turn(live)
        live.sort(key=lambda each: (each.item.priority != turn, *self._urgency(each)))
        most = max_weight(live[0].item.key)
        return self._taken(_joined(live, max_items, most, bulk_room if holds_back else None))

    def _holds_back(self) -> bool:
        """Whether batches are kept short for interactive work while bulk work waits."""
        if not self._held[Priority.BULK]:
            return False
        return self._calm < self._share or bool(self._held[Priority.INTERACTIVE])

    def _whole(self, live: list[Waiting]) -> list[Waiting]:
        if not _is_in_order(live):
            live.sort(key=self._urgency)
        if len(live) < len(self._waiting):
            return self._taken(live)
        self._empty()
        self._charge(live)
        return live

    def _fits_as_a_whole(self, max_items: int, max_weight: Callable[[Hashable], float]) -> bool:
        if len(self._waiting) > max_items:
            return False
        keys = {key for of_class in self._held.values() for key in of_class}
        return len(keys) == 1 and self.weight <= max_weight(keys.pop())

    def _empty(self) -> None:
        """As ``discard`` of each, at once."""
        self._waiting.clear()
        self.size_bytes, self.weight, self._earliest = 0, 0.0, inf
        for of_class in self._held.values():
            of_class.clear()

    def _taken(self, batch: list[Waiting]) -> list[Waiting]:
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
        bulk = [each.item.priority for each in batch].count(Priority.BULK)
        if bulk:
            self._credit = min(self._share, max(0, self._credit) + self._share * bulk)
        self._credit -= len(batch) - bulk
        self._calm = self._calm + 1 if bulk == len(batch) else 0


def _joined(
    candidates: list[Waiting],
    max_items: int,
    max_weight: float,
    bulk_room: Callable[[float], float] | None,
) -> list[Waiting]:
    """The first candidate and those that may join it, in the order given; as ``take_batch``.

    Args:
        candidates: at least one.
        max_items: most items.
        max_weight: most weight.
        bulk_room: bounds the weight of bulk items by that of the batch before the first of them;
            None: they join like all others.
    """
    leader = candidates[0].item
    batch, room = candidates[:1], max_weight - leader.weight
    bulk_left = inf if bulk_room is None else None  # settled at the first bulk item
    for each in candidates[1:]:
        if len(batch) >= max_items:
            break
        item = each.item
        if item.key != leader.key or item.weight > room:
            continue
        if item.priority is Priority.BULK:
            if bulk_left is None:
                assert bulk_room is not None
                bulk_left = bulk_room(sum(member.item.weight for member in batch))
            if item.weight > bulk_left:
                continue
            bulk_left -= item.weight
        batch.append(each)
        room -= item.weight
    return batch


def _is_in_order(arrived: list[Waiting]) -> bool:
    """Whether items in order of arrival are in order of urgency too, as they nearly always are."""
    latest = -inf
    for each in arrived:
        if each.item.deadline < latest:
            return False
        latest = each.item.deadline
    return True
