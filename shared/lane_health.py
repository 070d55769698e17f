"""When an engine's process should be started anew: too old, too big, or still growing."""

from dataclasses import dataclass, field, replace

from shared.gpu.growth import GrowthDetector, GrowthLimits
from shared.lanes import Lane

SAMPLE_EVERY_BATCHES = 5
MOST_PATIENCE = 4  # times as many samples before a verdict as the policy's least


@dataclass(frozen=True)
class RecyclePolicy:
    """When an engine's process is started anew."""

    after_batches: int | None = None  # after this many
    above_bytes: int | None = None  # or when its memory is above this
    growth: GrowthLimits | None = field(default_factory=GrowthLimits)  # or while it grows


@dataclass
class _Record:
    """What is known of one lane."""

    detector: GrowthDetector
    batches: int = 0
    memory_bytes: int | None = None
    is_cleaned: bool = False  # has been cleaned up once, without being replaced
    lane: Lane = field(repr=False, kw_only=True)


class LaneHealth:
    """Watches the memory of the lanes of one engine."""

    def __init__(self, policy: RecyclePolicy) -> None:
        """Judge by ``policy``."""
        self._policy = policy
        self._patience = 1
        self._records: dict[int, _Record] = {}

    def memory_bytes(self, lane: Lane) -> int | None:
        """Last sample of the lane's memory."""
        record = self._records.get(id(lane))
        return record.memory_bytes if record else None

    def after_batch(self, lane: Lane) -> str | None:
        """Count a batch; gives the reason when the lane should be replaced.

        Returns:
            ``batches``, ``memory`` or ``growth``; None while all is well.
        """
        record = self._record(lane)
        record.batches += 1
        most = self._policy.after_batches
        if most is not None and record.batches >= most:
            return "batches"
        if record.batches % SAMPLE_EVERY_BATCHES:
            return None
        record.memory_bytes = lane.memory_bytes
        if record.memory_bytes is None:
            return None
        above = self._policy.above_bytes
        if above is not None and record.memory_bytes > above:
            return "memory"
        record.detector.add(record.batches, record.memory_bytes)
        if self._policy.growth is not None and record.detector.verdict().is_growing:
            return "growth"
        return None

    def after_clean_up(self, lane: Lane) -> bool:
        """Whether a clean-up took away the reason to replace the lane, which then is watched anew.

        What frees memory once only delays a leak: the second time, the lane is replaced.
        """
        record = self._record(lane)
        before, record.memory_bytes = record.memory_bytes, lane.memory_bytes
        if record.is_cleaned or before is None or record.memory_bytes is None:
            return False
        record.is_cleaned = True
        above = self._policy.above_bytes
        if above is not None and record.memory_bytes > above:
            return False
        if before - record.memory_bytes < record.detector.verdict().growth_bytes / 2:
            return False
        record.detector = self._detector()
        return True

    def watch_longer(self) -> None:
        """Watch the next lanes for twice as long before growth is seen in them.

        The young engine that fills its caches looks like one that leaks. If its successors were
        judged as early, each would be replaced before it is full; a leak only shows later.
        """
        self._patience = min(2 * self._patience, MOST_PATIENCE)

    def _detector(self) -> GrowthDetector:
        limits = self._policy.growth or GrowthLimits()
        least = min(self._patience * limits.min_samples, limits.max_samples)
        return GrowthDetector(replace(limits, min_samples=least))

    def _record(self, lane: Lane) -> _Record:
        record = self._records.get(id(lane))
        if record is None:
            self._records = {key: each for key, each in self._records.items() if each.lane.is_alive}
            record = _Record(self._detector(), lane=lane)
            self._records[id(lane)] = record
        return record
