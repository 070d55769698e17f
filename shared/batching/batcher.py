"""``DynamicBatcher``: one scheduler per model, driven by events alone.

Work-conserving: an idle lane starts at once with what is there; while a lane is busy, the queue
*is* the next batch, and its members are chosen only when the lane frees. An idle batcher has no
timer and no polling loop. Every accepted item gets exactly one outcome.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any

from shared.batching.admission import Admission, Lanes, left_s
from shared.batching.caps import MemoryCaps
from shared.batching.cost import CostModel
from shared.batching.counts import BatchCounts
from shared.batching.inline import InlineRuns
from shared.batching.items import BatchLimits, Item, WaitMode
from shared.batching.recovery import RecoveryReport, run_isolating
from shared.batching.returns import Returns
from shared.batching.running import RunningBatch
from shared.batching.waiting import Outcome, Waiting, WaitQueue
from shared.errors import (
    DeadlineExceeded,
    EngineError,
    FatalEngineError,
    GantryError,
    NotReady,
)
from shared.faults import classify
from shared.lanes import InlineLane, Lane
from shared.metrics import EngineMetrics

log = logging.getLogger(__name__)

MOST_OF_SLACK = 0.2
"""Share of the time to the tightest deadline that an idle lane may wait for a fuller batch."""


class DynamicBatcher:
    """Collects items and runs them in batches on its lanes."""

    def __init__(
        self,
        limits: BatchLimits,
        *,
        metrics: EngineMetrics,
        name: str = "default",
        clock: Callable[[], float] = time.monotonic,
        on_lane_lost: Callable[[Lane, GantryError], None] | None = None,
        on_batch_done: Callable[[Lane], None] | None = None,
    ) -> None:
        """Start without lanes: items are refused until ``open``, and wait until ``add_lane``.

        Args:
            limits: bounds of batches and queue, and the switches of each feature.
            metrics: where it counts.
            name: label of its metrics.
            clock: monotonic time in s; deadlines of items are on it.
            on_lane_lost: told about a lane that cannot run batches any more; it has been removed.
            on_batch_done: told about a lane that has run a batch and can run more.
        """
        self._configured = self._limits = limits
        self._counts = BatchCounts(metrics, name)
        self._clock = clock
        self._on_lane_lost = on_lane_lost
        self._on_batch_done = on_batch_done
        self._queue = WaitQueue(interactive_share=limits.interactive_share, aging_s=limits.aging_s)
        self._cost = CostModel()
        self._inline = InlineRuns(limits.inline_below_ms)
        self._returns = Returns(limits.max_batch_wait_ms / 1000)
        self._caps = MemoryCaps()
        self._admission = Admission(
            limits,
            self._queue,
            self._cost,
            self._counts,
            lanes=self._lanes_now,
            budget=self._weight_budget,
        )
        self._numbers = itertools.count()
        self._idle: list[Lane] = []
        self._retiring: set[Lane] = set()
        self._running: dict[asyncio.Task[None], RunningBatch] = {}
        self._emptied: asyncio.Event | None = None  # while draining
        self._timer: asyncio.TimerHandle | None = None
        self._pump_due = False
        self._refusal: GantryError | None = NotReady("the model is loading")

    # Lanes and state

    def open(self) -> None:
        """Take items from now on."""
        self._refusal = None

    def add_lane(self, lane: Lane) -> None:
        """Run batches on ``lane`` too, from now on."""
        self._idle.append(lane)
        self._pump()

    async def remove_lane(self, lane: Lane) -> None:
        """Start nothing on ``lane`` any more, and wait until it has finished its batch."""
        if lane in self._idle:
            self._idle.remove(lane)
        self._retiring.add(lane)
        tasks = [task for task, batch in self._running.items() if batch.lane is lane]
        if tasks:
            await asyncio.wait(tasks)
        self._retiring.discard(lane)

    def refuse(self, reason: GantryError) -> None:
        """Answer what waits and all that comes with ``reason``, until opened again."""
        self._refusal = reason
        for each in self._queue.all():
            self._queue.discard(each)
            self._fail(each, reason)
        self._stop_timer()
        self._note_emptiness()

    async def drain(self) -> None:
        """Refuse new items and wait until all accepted ones are answered."""
        self._refusal = NotReady("the service is draining", retry_after_s=5)
        self._emptied = asyncio.Event()
        self._note_emptiness()
        await self._emptied.wait()

    def _note_emptiness(self) -> None:
        if self._emptied is not None and not len(self._queue) and not self._running:
            self._emptied.set()

    def limit_batch_size(self, most: int | None) -> None:
        """Hold batches to what the engine found to pay; None: to what is configured."""
        size = min(most or self._configured.max_batch_size, self._configured.max_batch_size)
        self._limits = replace(self._configured, max_batch_size=size)
        self._admission.limits = self._limits

    @property
    def refusal(self) -> GantryError | None:
        """What new items are answered with; None while they are taken."""
        return self._refusal

    @property
    def queued_items(self) -> int:
        """Items waiting."""
        return len(self._queue)

    @property
    def running_items(self) -> int:
        """Items in batches that run."""
        return sum(len(batch.items) for batch in self._running.values())

    def predicted_wait_s(self) -> float:
        """How long an item that came now would wait before its batch starts, in s."""
        return self._admission.wait_s()

    def _lanes_now(self) -> Lanes:
        now = self._clock()
        running = [
            left_s(self._cost.predict_s(batch.weight), now - batch.started)
            for batch in self._running.values()
        ]
        return Lanes(len(self._idle), running)

    # Items

    async def submit(self, item: Item) -> Any:  # noqa: ANN401 - whatever the engine returns
        """Run one item and return its result.

        Raises:
            QueueFull: the queue is full, or the item could not be answered before its deadline.
            DeadlineExceeded: its time ran out before it was started.
            GantryError: what the engine raised for it.
        """
        future = asyncio.get_running_loop().create_future()
        waiting = self.enqueue(item, future)
        try:
            return await future
        finally:
            self.withdraw(waiting)

    def enqueue(self, item: Item, outcome: Outcome) -> Waiting:
        """Take one item whose result or error will be set on ``outcome``; as ``submit``.

        Returns:
            What ``withdraw`` takes when nobody waits for the outcome any more.
        """
        now = self._clock()
        self._returns.arrived(now)
        if self._refusal is not None:
            raise self._refusal.fresh()
        starts_at_once = bool(self._idle) and not len(self._queue)
        self._admission.admit(item, now, starts_at_once=starts_at_once)
        waiting = Waiting(item, now, next(self._numbers), outcome)
        self._queue.push(waiting)
        if not self._pump_due:
            self._schedule_pump()
        return waiting

    def withdraw(self, waiting: Waiting) -> None:
        """Its caller has left: an item that still waits is never started."""
        if self._queue.discard(waiting):
            self._counts.shed("cancelled")
            self._note_emptiness()

    # Choosing and running batches

    def _schedule_pump(self) -> None:
        """Start batches after one turn of the loop, so that what arrives together runs together."""
        self._pump_due = True
        asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Start what can be started now."""
        self._pump_due = False
        self._stop_timer()
        self._drop_late()
        while self._idle and len(self._queue):
            wait_s = self._wait_s()
            if wait_s > 0:
                self._timer = asyncio.get_running_loop().call_later(wait_s, self._start, True)
                break
            if not self._start():
                break
        self._counts.queued(len(self._queue))
        self._note_emptiness()

    def _drop_late(self) -> None:
        """Answer items whose time has run out, or will while they run, without running them."""
        run_s = 0.0
        if self._idle and len(self._queue):
            items = min(len(self._queue), self._limits.max_batch_size)
            run_s = self._cost.predict_s(items * self._queue.weight / len(self._queue))
        for each in self._queue.take_expired(self._clock(), run_s):
            self._counts.shed("expired")
            self._fail(each, DeadlineExceeded("the request's time ran out in the queue"))

    def _start(self, after_wait: bool = False) -> bool:
        """Put the next batch on an idle lane; False when no other can be started now."""
        if after_wait:
            self._timer = None
        if not self._idle:
            return False
        limits = self._limits
        batch = self._queue.take_batch(limits.max_batch_size, self._weight_budget, self._bulk_room)
        if not batch:
            return False
        weight = sum([each.item.weight for each in batch])
        running = RunningBatch(self._idle.pop(), batch, weight, self._clock())
        if self._inline.suits(running.lane, weight) and self._run_inline(running):
            if len(self._queue) and not self._pump_due:
                self._schedule_pump()  # others have their turn between two batches
            return False
        task = asyncio.ensure_future(self._run(running))
        self._running[task] = running
        task.add_done_callback(self._finished)
        if after_wait:
            self._pump()
        return True

    def _wait_s(self) -> float:
        """How long an idle lane waits for a fuller batch; nearly always 0."""
        limits, queue = self._limits, self._queue
        if limits.wait_mode is WaitMode.OFF or len(queue) >= limits.max_batch_size:
            return 0.0
        now = self._clock()
        if limits.wait_mode is WaitMode.FIXED:
            return max(0.0, limits.max_batch_wait_ms / 1000 - (now - queue.oldest_arrival))
        if not self._cost.is_known:
            return 0.0
        room = limits.max_batch_size - len(queue)
        useful_s = self._returns.useful_wait_s(now, len(queue), room, self._cost.line[0])
        if not useful_s:
            return 0.0
        return min(useful_s, MOST_OF_SLACK * max(0.0, queue.earliest_deadline - now))

    def _bulk_room(self, weight: float) -> float:
        return self._cost.weight_beside(weight, self._limits.bulk_stretch)

    def _weight_budget(self, key: Hashable) -> float:
        latency_cap = self._cost.weight_within(self._limits.max_latency_ms / 1000)
        return min(self._limits.max_weight, self._caps.cap(key), latency_cap)

    def _run_inline(self, batch: RunningBatch) -> bool:
        """Run a short batch on this thread; False when it failed and is to be run in parts."""
        assert isinstance(batch.lane, InlineLane)
        results: Sequence[Any]
        try:
            results = batch.lane.run_now(batch.key, batch.payloads)
        except GantryError as error:
            if self._limits.isolate_failures:
                return False
            results = [error] * len(batch.items)
        self._end(batch, results, RecoveryReport(calls=1))
        self._release(batch.lane, None)
        return True

    def _end(self, batch: RunningBatch, results: Sequence[Any], report: RecoveryReport) -> None:
        self._learn(batch, report, failed=any([isinstance(each, Exception) for each in results]))
        self._deliver(batch, results)

    async def _run(self, batch: RunningBatch) -> None:
        report = RecoveryReport()
        lost: GantryError | None = None
        try:
            results = await self._results(batch, report)
        except GantryError as error:
            results = [error] * len(batch.items)
            lost = error if isinstance(error, FatalEngineError) else None
        except Exception as error:  # the batch loop's edge: a fault ends this batch only
            log.exception("a batch failed")
            results = [classify(error)] * len(batch.items)
        self._end(batch, results, report)
        self._release(batch.lane, lost)

    async def _results(self, batch: RunningBatch, report: RecoveryReport) -> list[Any]:
        if not self._limits.isolate_failures:
            report.calls = 1
            return list(await batch.lane.run(batch.key, batch.payloads))

        async def run(part: Sequence[Any]) -> Sequence[Any]:
            return await batch.lane.run(batch.key, part)

        return await run_isolating(run, batch.payloads, batch.weights, report)

    def _learn(self, batch: RunningBatch, report: RecoveryReport, *, failed: bool) -> None:
        duration_s = self._clock() - batch.started
        if report.calls == 1 and not failed:
            self._cost.observe(batch.weight, duration_s)
            self._inline.observe(batch.lane, batch.weight)
        if self._limits.learn_memory_cap:
            if report.smallest_failed_weight is not None:
                self._caps.failed(batch.key, report.smallest_failed_weight)
            elif report.calls == 1 and not failed:
                self._caps.succeeded(batch.key, batch.weight)
        self._counts.batch(
            weights=batch.weights, waits_s=batch.waits_s(), duration_s=duration_s, report=report
        )
        batch.trace(duration_s)

    def _deliver(self, batch: RunningBatch, results: Sequence[Any]) -> None:
        self._returns.delivered(len(batch.items), self._clock())
        for each, result in zip(batch.items, results, strict=True):
            if isinstance(result, Exception):
                self._fail(each, classify(result))
            elif not each.done.done():  # its caller may have left meanwhile
                each.done.set_result(result)

    def _release(self, lane: Lane, lost: GantryError | None) -> None:
        """Give the lane its next batch, or report it if it cannot run any more."""
        if lost is not None or not lane.is_alive:
            if self._on_lane_lost is not None:
                self._on_lane_lost(lane, lost or EngineError("the engine ended"))
            return
        if lane not in self._retiring:
            self._idle.append(lane)
        if self._on_batch_done is not None:
            self._on_batch_done(lane)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._running.pop(task, None)
        self._pump()

    def _fail(self, waiting: Waiting, error: GantryError) -> None:
        self._counts.failed(error.code)
        if not waiting.done.done():
            waiting.done.set_exception(error.fresh())

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
