"""Which batches run on the event loop itself: those that are over before a thread would have begun.

Handing a batch to a thread and its results back costs two switches between threads that share one
interpreter lock, some 0.1 ms and more while the loop is busy. A batch that takes 0.2 ms holds the
loop up for less than that costs all its clients.
"""

from shared.batching.cost import CostModel
from shared.lanes import InlineLane, Lane


class InlineRuns:
    """Learns how long batches hold up the thread they run on."""

    def __init__(self, below_ms: float) -> None:
        """Allow batches that take less than ``below_ms``; 0 allows none."""
        self._below_s = below_ms / 1000
        self._cost = CostModel()

    def suits(self, lane: Lane, weight: float) -> bool:
        """Whether a batch of this weight should run here; the first few show what batches take."""
        if not self._below_s or not isinstance(lane, InlineLane):
            return False
        return not self._cost.is_known or self._cost.predict_s(weight) <= self._below_s

    def observe(self, lane: Lane, weight: float) -> None:
        """Learn from a batch that has run, wherever it did: what counts is its CPU time."""
        if isinstance(lane, InlineLane):
            self._cost.observe(weight, lane.last_run_s)
