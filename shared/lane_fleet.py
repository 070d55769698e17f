"""The lanes of one engine that are in use, and how they come and go without losing a request."""

from collections.abc import Iterator, Sequence

from shared.batching import DynamicBatcher
from shared.gpu.budget import BudgetedLane
from shared.lanes import Lane
from shared.metrics import EngineMetrics


class LaneFleet:
    """Lanes that the batcher gives work to."""

    def __init__(self, batcher: DynamicBatcher, *, metrics: EngineMetrics, name: str) -> None:
        """Without lanes; ``name`` is the engine's, as in the metrics."""
        self._batcher = batcher
        self._lanes: list[Lane] = []
        self._memory_share = metrics.memory_share.labels(name)
        metrics.lanes.labels(name).set_function(lambda: len(self._lanes))

    def __len__(self) -> int:
        """Number of lanes in use."""
        return len(self._lanes)

    def __iter__(self) -> Iterator[Lane]:
        """The lanes of this moment, whatever comes and goes meanwhile."""
        return iter(tuple(self._lanes))

    @property
    def share_bytes(self) -> int | None:
        """Memory set aside for the lanes on their device; None where no budget is kept."""
        guarded = [each for each in self._lanes if isinstance(each, BudgetedLane)]
        return sum(each.share_bytes for each in guarded) if guarded else None

    def note_memory_share(self) -> None:
        """Bring the metric up to date."""
        self._memory_share.set(self.share_bytes or 0)

    def use(self, lane: Lane) -> None:
        """Give a started lane its part of the work."""
        self._lanes.append(lane)
        self.note_memory_share()
        self._batcher.open()
        self._batcher.add_lane(lane)

    def drop(self, lane: Lane) -> None:
        """Count a lane no longer, if it is one of these; the batcher is not told."""
        if lane in self._lanes:
            self._lanes.remove(lane)

    def take_all(self) -> list[Lane]:
        """Count none of the lanes any longer; they go on with their work."""
        lanes, self._lanes = self._lanes, []
        return lanes

    async def withdraw(self, lanes: Sequence[Lane]) -> None:
        """Let lanes finish what they work on, and give them nothing more."""
        for lane in lanes:
            await self._batcher.remove_lane(lane)

    async def free(self, lanes: Sequence[Lane]) -> None:
        """Let lanes finish what they work on, then stop them."""
        for lane in lanes:
            await self._batcher.remove_lane(lane)
            await lane.stop()
