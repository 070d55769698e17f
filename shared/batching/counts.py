"""What one batcher counts, with its label filled in.

Finding a metric's child by its labels costs more than counting in it, and every item is counted.
"""

from collections.abc import Sequence

from shared.batching.recovery import RecoveryReport
from shared.metrics import EngineMetrics


class BatchCounts:
    """Counts of one batcher."""

    def __init__(self, metrics: EngineMetrics, name: str) -> None:
        """Count in ``metrics`` under the label ``name``."""
        self._metrics, self._name = metrics, name
        self._queued = metrics.queued.labels(name)
        self._queue_wait = metrics.queue_wait.labels(name)
        self._inference = metrics.inference.labels(name)
        self._items = metrics.batch_items.labels(name)
        self._weight = metrics.batch_weight.labels(name)
        self._pad_waste = metrics.pad_waste.labels(name)

    def shed(self, reason: str) -> None:
        """An item was refused or dropped before it ran."""
        self._metrics.shed.labels(self._name, reason).inc()

    def failed(self, code: str) -> None:
        """An item got an error."""
        self._metrics.failed.labels(self._name, code).inc()

    def queued(self, items: int) -> None:
        """So many items wait now."""
        self._queued.set(items)

    def batch(
        self,
        *,
        weights: Sequence[float],
        waits_s: Sequence[float],
        duration_s: float,
        report: RecoveryReport,
    ) -> None:
        """A batch has run.

        Args:
            weights: of its items.
            waits_s: how long each of them waited for it to start.
            duration_s: its run time, retries included.
            report: what was retried.
        """
        weight, heaviest = sum(weights), max(weights)
        self._items.note(len(weights))
        self._weight.note(weight)
        if heaviest > 0:
            self._pad_waste.note(1 - weight / len(weights) / heaviest)
        self._inference.note(duration_s)
        self._queue_wait.note_all(waits_s)
        retried = self._metrics.retried_batches
        if report.bisects:
            retried.labels(self._name, "bisect").inc(report.bisects)
        if report.memory_failures:
            retried.labels(self._name, "out_of_memory").inc(report.memory_failures)
