"""A batch on a lane."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from shared.batching.waiting import Waiting
from shared.lanes import Lane


@dataclass(eq=False)
class RunningBatch:
    """What runs on a lane."""

    lane: Lane
    items: list[Waiting]
    weight: float
    started: float  # on the batcher's clock, in s

    @property
    def key(self) -> Hashable:
        """What all of its items have in common."""
        return self.items[0].item.key

    @property
    def payloads(self) -> list[Any]:
        """What the engine is given."""
        return [each.item.payload for each in self.items]

    @property
    def weights(self) -> list[float]:
        """Weight of each item."""
        return [each.item.weight for each in self.items]

    def waits_s(self) -> list[float]:
        """How long each item waited for the batch to start."""
        started = self.started
        return [started - each.arrival for each in self.items]

    def trace(self, duration_s: float) -> None:
        """Tell each item's owner what happened to it."""
        items, started, inference_ms = len(self.items), self.started, duration_s * 1000
        for each in self.items:
            trace = each.item.trace
            trace.queue_ms = (started - each.arrival) * 1000
            trace.inference_ms = inference_ms
            trace.batch_items = items
