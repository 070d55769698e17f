"""One scheduler per model: requests of all clients share batches, and no one waits for nothing.

Work-conserving: an idle lane starts at once with what is there; while a lane is busy, the queue
*is* the next batch, and its members are chosen only when the lane frees. Everything is driven by
events: an idle batcher has no timer and no polling loop.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from shared.errors import DeadlineExceeded, EngineError, GantryError, NotReady, QueueFull
from shared.lanes import Lane
from shared.metrics import EngineMetrics

log = logging.getLogger(__name__)


class Priority(IntEnum):
    """Class of service of an item."""

    INTERACTIVE = 0
    BULK = 1


@dataclass
class ItemTrace:
    """What happened to an item; filled in by the batcher."""

    queue_ms: float = 0.0  # from submission to the start of its batch
    inference_ms: float = 0.0  # run time of its batch
    batch_items: int = 0  # items in that batch


@dataclass(frozen=True)
class Item:
    """One piece of work."""

    payload: Any
    key: Hashable  # only items with equal keys share a batch
    deadline: float  # absolute, on the batcher's clock, in s
    weight: float = 1.0  # cost in the unit of ``BatchLimits.max_weight`` (pixels, seconds, rows)
    priority: Priority = Priority.INTERACTIVE
    trace: ItemTrace = field(default_factory=ItemTrace)


@dataclass(frozen=True)
class BatchLimits:
    """Bounds of batches and of the queue."""

    max_batch_size: int = 8  # most items in a batch
    max_weight: float = float("inf")  # most weight in a batch; a heavier item runs alone
    max_queue_items: int = 256  # most items waiting


@dataclass(eq=False)
class _Waiting:
    item: Item
    arrival: float
    number: int
    done: "asyncio.Future[Any]"

    def order(self) -> tuple[int, float, int]:
        """Interactive first, then the earliest deadline, then the earliest arrival."""
        return (self.item.priority, self.item.deadline, self.number)


class DynamicBatcher:
    """Collects items and runs them in batches on its lanes."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        limits: BatchLimits,
        *,
        metrics: EngineMetrics,
        name: str = "default",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Serve ``lanes``; it takes items once ``open`` is called.

        Args:
            lanes: where batches run, one at a time on each.
            limits: bounds of batches and queue.
            metrics: where it counts.
            name: label of its metrics.
            clock: monotonic time in s.
        """
        self._idle: list[Lane] = list(lanes)
        self._limits = limits
        self._metrics = metrics
        self._name = name
        self._clock = clock
        self._waiting: list[_Waiting] = []
        self._numbers = itertools.count()
        self._running: set[asyncio.Task[None]] = set()
        self._refusal: GantryError | None = NotReady("the model is loading")
        self._item_s = 0.0  # smoothed run time per item, for the predicted wait

    async def submit(self, item: Item) -> Any:  # noqa: ANN401 - whatever the engine returns
        """Run one item and return its result.

        Raises:
            QueueFull: the queue is full, or the item could not start before its deadline.
            DeadlineExceeded: its time ran out before it was started or answered.
            GantryError: what the engine raised for it.
        """
        self._admit(item)
        waiting = _Waiting(
            item, self._clock(), next(self._numbers), asyncio.get_running_loop().create_future()
        )
        self._waiting.append(waiting)
        # One turn of the loop lets requests that arrived together share the batch.
        asyncio.get_running_loop().call_soon(self._start_batches)
        try:
            return await waiting.done
        finally:
            if waiting in self._waiting:  # cancelled while it waited: never started
                self._waiting.remove(waiting)
                self._metrics.shed.labels(self._name, "cancelled").inc()
            self._metrics.queued.labels(self._name).set(len(self._waiting))

    def open(self) -> None:
        """Take items from now on."""
        self._refusal = None
        self._start_batches()

    def refuse(self, reason: GantryError) -> None:
        """Answer what waits and all that comes with ``reason`` until opened again."""
        self._refusal = reason
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            self._fail(each, reason)

    async def drain(self) -> None:
        """Refuse new items and wait until all accepted ones are answered."""
        self._refusal = NotReady("the service is draining", retry_after_s=5)
        while self._waiting or self._running:
            await asyncio.wait([each.done for each in self._waiting] + list(self._running))

    @property
    def queued_items(self) -> int:
        """Items waiting."""
        return len(self._waiting)

    def predicted_wait_s(self) -> float:
        """How long a new item would wait, from the items before it and the smoothed run time."""
        lanes = max(1, len(self._idle) + len(self._running))
        return self._item_s * (len(self._waiting) + len(self._running)) / lanes

    def _admit(self, item: Item) -> None:
        if self._refusal is not None:
            raise self._refusal
        wait_s = self.predicted_wait_s()
        if len(self._waiting) >= self._limits.max_queue_items:
            self._metrics.shed.labels(self._name, "queue_full").inc()
            raise QueueFull("too many requests are waiting", retry_after_s=wait_s)
        if self._waiting and self._clock() + wait_s > item.deadline:
            self._metrics.shed.labels(self._name, "predicted_wait").inc()
            raise QueueFull("the wait would outlast the deadline", retry_after_s=wait_s)

    def _start_batches(self) -> None:
        while self._idle and self._waiting:
            batch = self._choose()
            if not batch:
                return
            lane = self._idle.pop()
            task = asyncio.ensure_future(self._run(lane, batch))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def _choose(self) -> list[_Waiting]:
        """Take the members of the next batch out of the queue; drop what has expired."""
        now = self._clock()
        for each in [each for each in self._waiting if each.item.deadline <= now]:
            self._waiting.remove(each)
            self._metrics.shed.labels(self._name, "expired").inc()
            self._fail(each, DeadlineExceeded("the request's time ran out in the queue"))
        if not self._waiting:
            return []
        ordered = sorted(self._waiting, key=_Waiting.order)
        key, weight = ordered[0].item.key, 0.0
        batch: list[_Waiting] = []
        for each in ordered:
            if each.item.key != key or len(batch) >= self._limits.max_batch_size:
                continue
            if batch and weight + each.item.weight > self._limits.max_weight:
                continue
            batch.append(each)
            weight += each.item.weight
        for each in batch:
            self._waiting.remove(each)
        return batch

    async def _run(self, lane: Lane, batch: list[_Waiting]) -> None:
        started = self._clock()
        key = batch[0].item.key
        try:
            results = await lane.run(key, [each.item.payload for each in batch])
        except GantryError as error:
            results = [error] * len(batch)
        except Exception:  # the batch loop's edge: a fault ends this batch only
            log.exception("a batch failed")
            results = [EngineError("the model failed on this batch")] * len(batch)
        finally:
            self._idle.append(lane)
        duration_s = self._clock() - started
        self._observe(batch, started, duration_s)
        for each, result in zip(batch, results, strict=True):
            each.item.trace.queue_ms = (started - each.arrival) * 1000
            each.item.trace.inference_ms = duration_s * 1000
            each.item.trace.batch_items = len(batch)
            if isinstance(result, GantryError):
                self._fail(each, result)
            elif isinstance(result, Exception):
                log.error("an item failed", exc_info=result)
                self._fail(each, EngineError(f"the model failed ({type(result).__name__})"))
            elif not each.done.done():
                each.done.set_result(result)
        self._start_batches()

    def _observe(self, batch: list[_Waiting], started: float, duration_s: float) -> None:
        per_item_s = duration_s / len(batch)
        self._item_s = 0.8 * self._item_s + 0.2 * per_item_s if self._item_s else per_item_s
        self._metrics.batch_items.labels(self._name).observe(len(batch))
        self._metrics.inference.labels(self._name).observe(duration_s)
        for each in batch:
            self._metrics.queue_wait.labels(self._name).observe(started - each.arrival)

    def _fail(self, waiting: _Waiting, error: GantryError) -> None:
        self._metrics.failed.labels(self._name, error.code).inc()
        if not waiting.done.done():
            waiting.done.set_exception(error)
