"""Keeps one engine loaded: loads it in the background, answers for its state, starts it anew.

    unloaded ──start──► loading ──► ready ──────┐
        ▲                  │   └──► degraded ◄──┤ (on the CPU though a GPU was wanted)
        └──── idle ────────┘   └──► failed      └──► draining

An engine that cannot be loaded is ``failed``, with one sentence that says what is missing; the
service stays up and answers 503 with that sentence. Loads never run on a request, and requests
that wait while a lost lane is replaced stay in the queue, within their deadlines.
"""

import asyncio
import contextlib
import logging
from collections.abc import Hashable, Sequence
from typing import Any

from shared.background import Background
from shared.batching import BatchLimits, DynamicBatcher, Item, ItemTrace, Outcome, Priority, Waiting
from shared.context import RequestContext, request_context
from shared.engine import EngineInfo
from shared.errors import GantryError, ModelMissing, NotReady
from shared.gpu.budget import BudgetedLane
from shared.gpu.ledger import Shortage
from shared.host_policy import TAKES_WORK, HostPolicy, Phase
from shared.idle import IdleClock
from shared.lane_fleet import LaneFleet
from shared.lane_loading import LaneLoader, restart_delay_s
from shared.lane_recycling import LaneRecycler
from shared.lanes import Lane
from shared.metrics import EngineMetrics

log = logging.getLogger(__name__)


class EngineHost:
    """One engine, its lanes and its batcher."""

    def __init__(
        self,
        lane: Lane,
        limits: BatchLimits,
        *,
        metrics: EngineMetrics,
        name: str,
        policy: HostPolicy | None = None,
        cpu_lane: Lane | None = None,
    ) -> None:
        """Host the engine behind ``lane``; nothing is loaded until ``start``.

        Args:
            lane: how the engine is run; further and replacing lanes are its clones.
            limits: bounds of its batches and queue.
            metrics: where it counts.
            name: what it does, as in metrics and log ("detect", "recognise").
            policy: lanes, idle unload, return to the GPU.
            cpu_lane: the same engine on the CPU, for when ``lane`` cannot be started; None if
                ``lane`` falls back by itself or must not.
        """
        self.name = name
        self.info: EngineInfo | None = None
        self.reason: str | None = None  # why it is not ready, or why it is degraded
        for each in (lane, cpu_lane):
            if isinstance(each, BudgetedLane):
                each.owned_by(self)
        self._policy = policy or HostPolicy()
        self._metrics = metrics
        self._batcher = DynamicBatcher(
            limits,
            metrics=metrics,
            name=name,
            on_lane_lost=self._lane_lost,
            on_batch_done=self._batch_done,
        )
        self._fleet = LaneFleet(self._batcher, metrics=metrics, name=name)
        self._loader = LaneLoader(lane, cpu_lane, self._policy, metrics=metrics, name=name)
        self._recycler = LaneRecycler(
            self._fleet,
            self._policy.recycle,
            metrics=metrics,
            name=name,
            renewed=self._renewed,
            reload_in_place=self._reload_in_place,
        )
        self._sleeps = False  # unloaded for lack of work; the next request loads it again
        self._background, self._watches = Background(), Background()  # the latter while loaded
        self._loading: asyncio.Task[None] | None = None
        self._freeing: set[asyncio.Task[None]] = set()  # of lanes that were given up
        self._settled = asyncio.Event()
        self._idle = IdleClock()
        self._set_phase(Phase.UNLOADED)

    # State

    @property
    def phase(self) -> Phase:
        """State of the engine."""
        return self._phase

    @property
    def is_ready(self) -> bool:
        """Whether it takes work now."""
        return self._phase in TAKES_WORK

    @property
    def takes_work(self) -> bool:
        """Whether a request would be answered: ready, or loaded again by the next request."""
        return self.is_ready or (self._phase is Phase.UNLOADED and self._wakes_by_itself)

    @property
    def _wakes_by_itself(self) -> bool:
        return self._sleeps or self._policy.idle_unload_s is not None

    @property
    def queued_items(self) -> int:
        """Items waiting."""
        return self._batcher.queued_items

    def predicted_wait_s(self) -> float:
        """How long a new item would wait, in s."""
        return self._batcher.predicted_wait_s()

    @property
    def share_bytes(self) -> int | None:
        """Memory set aside for it on its device; None where no budget is kept."""
        return self._fleet.share_bytes

    async def settled(self) -> None:
        """Wait until the engine is loaded, or is known not to load."""
        await self._settled.wait()

    # Life

    def start(self) -> None:
        """Begin to load in the background; a load that is under way is not doubled."""
        self._sleeps = False
        if not self._fleet:
            self._set_phase(Phase.LOADING)
        if self._loading is None or self._loading.done():
            self._loading = self._background.spawn(self._load())

    def _free(self, lanes: Sequence[Lane]) -> None:
        """Stop lanes once their batches are finished; loads wait for it."""
        freeing = self._background.spawn(self._fleet.free(lanes))
        self._freeing.add(freeing)
        freeing.add_done_callback(self._freeing.discard)

    async def unload(self) -> None:
        """Finish accepted work and free the engine, until ``start`` or a request wakes it."""
        await self._stop_lanes(Phase.UNLOADED, NotReady("the model is unloaded"))

    async def stop(self, drain_s: float = 10.0) -> None:
        """Answer what was accepted, for at most ``drain_s``, then free the engine."""
        self._set_phase(Phase.DRAINING)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._batcher.drain(), drain_s)
        await self._background.end()
        await self._stop_lanes(Phase.DRAINING, NotReady("the service is stopping"))

    async def recycle(self, reason: str) -> None:
        """Replace every lane by a fresh one without dropping a request; see ``LaneRecycler``."""
        await self._recycler.recycle(reason)

    def _renewed(self, info: EngineInfo) -> None:
        self.info = info

    def _reload_in_place(self, old: Lane) -> None:
        """Free a lane first, then load: as after a loss, but its batch is finished."""
        self._free([old])
        self.start()

    # The device's memory (``shared.gpu.budget.ShareOwner``)

    def give_up_if_idle(self) -> bool:
        """Unload for another model, unless there is work; whether that was begun."""
        is_busy = self.queued_items or self._batcher.running_items or self._recycler.is_busy
        if is_busy or not self.is_ready or self._sleeps:
            return self._sleeps
        log.info("%s: unloading: another model needs the device's memory", self.name)
        self._go_to_sleep()
        return True

    def _go_to_sleep(self) -> None:
        """Free the engine; requests that come from now on load it again, and wait in the queue."""
        self._sleeps = True
        lanes = self._fleet.take_all()
        self._set_phase(Phase.UNLOADED)
        self._free(lanes)

    def waits_for_memory(self, shortage: Shortage | None) -> None:
        """Say in ``/readyz`` why a load waits."""
        if not self._fleet:
            self.reason = f"waits for the device's memory: {shortage}" if shortage else None

    async def _stop_lanes(self, phase: Phase, reason: GantryError) -> None:
        if self._loading is not None and not self._loading.done():
            self._loading.cancel()
            await asyncio.wait([self._loading])
        await self._watches.end()
        lanes = self._fleet.take_all()
        await self._fleet.withdraw(lanes)
        self._batcher.refuse(reason)
        for lane in lanes:
            await lane.stop()
        self._set_phase(phase)

    # Work

    async def loaded_info(self) -> EngineInfo:
        """What the loaded engine says of itself, for routes that prepare input by it.

        While an engine is replaced that is what the old one said: work waits in the queue.

        Raises:
            Unavailable: not ready; says why.
        """
        await self._wake(request_context())
        if self.info is None or self._batcher.refusal is not None:
            raise (self._batcher.refusal or NotReady("the model is loading")).fresh()
        return self.info

    async def run(
        self,
        payload: Any,  # noqa: ANN401 - the engine's own kind
        *,
        key: Hashable = (),
        weight: float = 1.0,
        priority: Priority = Priority.INTERACTIVE,
        size_bytes: int = 0,
        trace: ItemTrace | None = None,
    ) -> Any:  # noqa: ANN401
        """Run one payload for the request being answered; timings go into its context.

        Args:
            payload: what the engine takes.
            key: only payloads with equal keys share a batch.
            weight: in the unit of the batch limits.
            priority: class of service.
            size_bytes: memory that the payload holds while it waits.
            trace: filled in with what happened to this payload.

        Raises:
            Unavailable: not ready, or the queue is full.
            GantryError: what the engine raised for it.
        """
        context = request_context()
        await self._wake(context)
        trace = trace or ItemTrace()
        item = Item(payload, key, context.deadline, weight, priority, size_bytes, trace)
        try:
            return await self._batcher.submit(item)
        finally:
            self._note(context, trace)

    def enqueue(self, item: Item, outcome: Outcome) -> Waiting:
        """Take an item without waiting for its outcome, for routes that are no coroutines.

        Returns:
            What ``withdraw`` takes when nobody waits for the outcome any more.

        Raises:
            Unavailable: not ready, or the queue is full.
        """
        self._begin_to_wake()
        return self._batcher.enqueue(item, outcome)

    def withdraw(self, waiting: Waiting) -> None:
        """Its caller has left: an item that still waits is never started."""
        self._batcher.withdraw(waiting)

    async def _wake(self, context: RequestContext) -> None:
        if self._begin_to_wake():
            await self.settled()
        if self.info is not None:
            context.model, context.device = self.info.model, self.info.device

    def _begin_to_wake(self) -> bool:
        """Load a model that was unloaded for want of work; the queue is open meanwhile."""
        self._idle.touch()
        if self._phase is not Phase.UNLOADED or not self._wakes_by_itself:
            return False
        self._batcher.open()
        self.start()
        return True

    def _note(self, context: RequestContext, trace: ItemTrace) -> None:
        self._idle.touch()
        context.add_ms("queue", trace.queue_ms)
        # Its share of the batch: the sum over all requests is the time that the device worked.
        context.add_ms("inference", trace.inference_ms / max(1, trace.batch_items))

    # Loading

    async def _load(self) -> None:
        failures = 0
        while len(self._fleet) < self._loader.wanted:
            if self._freeing:  # their memory is needed
                await asyncio.wait(set(self._freeing))
            try:
                lanes, info = await self._loader.start_one(failures)
            except GantryError as error:
                self._failed(error)
                if isinstance(error, ModelMissing):
                    return
                failures += 1
                await asyncio.sleep(restart_delay_s(failures))
            else:
                for each in lanes:
                    self._loaded(each, info)

    def _loaded(self, lane: Lane, info: EngineInfo) -> None:
        is_first, is_again = not self._fleet, self.info is not None
        self.info = info
        self._batcher.limit_batch_size(info.max_batch_size)
        fell_back = self._loader.has_cpu_fallback and info.device == "cpu"
        self.reason = info.fallback_reason or (self.reason if fell_back else None)
        self._fleet.use(lane)
        if not is_first:
            return
        self._sleeps = False
        self._watches.cancel()  # those of an earlier load
        degraded = self.reason is not None
        self._metrics.cpu_fallback.labels(self.name).set(degraded)
        log.log(logging.INFO if is_again else logging.DEBUG, "%s: loaded %s", self.name, info)
        if degraded:
            log.warning("%s: running on the CPU: %s", self.name, self.reason)
        self._set_phase(Phase.DEGRADED if degraded else Phase.READY)
        if degraded and self._loader.has_cpu_fallback and not info.fallback_reason:
            self._watches.spawn(self._return_to_gpu())
        if self._policy.idle_unload_s is not None:
            self._idle.touch()
            self._watches.spawn(self._unload_when_idle(self._policy.idle_unload_s))

    def _failed(self, error: GantryError) -> None:
        self.reason = error.detail
        log.error("%s: %s", self.name, error.detail)
        if self._fleet:
            return  # the lanes that are up go on
        self._set_phase(Phase.FAILED)
        kind = type(error) if isinstance(error, ModelMissing) else NotReady
        self._batcher.refuse(kind(error.detail, retry_after_s=30))

    def _lane_lost(self, lane: Lane, error: GantryError) -> None:
        """Replace a lane that died, hung or met a sticky device error."""
        log.error("%s: an engine was lost (%s); starting it anew", self.name, error.code)
        self._metrics.restarts.labels(self.name, error.code).inc()
        self._fleet.drop(lane)
        self._background.spawn(lane.stop())
        if self._phase not in (Phase.DRAINING, Phase.UNLOADED):
            self.start()

    def _batch_done(self, lane: Lane) -> None:
        reason = self._recycler.after_batch(lane)
        if reason is not None and self.is_ready:
            self._background.spawn(self._recycler.recycle_for(lane, reason))

    async def _return_to_gpu(self) -> None:
        """While on the CPU, try the GPU now and then; swap when it works again."""
        lane, info = await self._loader.gpu_again()
        old = self._fleet.take_all()
        self.reason = None
        self._loaded(lane, info)
        self._background.spawn(self._fleet.free(old))

    async def _unload_when_idle(self, idle_s: float) -> None:
        await self._idle.passed(
            idle_s, is_working=lambda: self.queued_items or self._batcher.running_items
        )
        log.info("%s: unloaded after %g s without work", self.name, idle_s)
        self._go_to_sleep()

    def _set_phase(self, phase: Phase) -> None:
        self._phase = phase
        for each in Phase:
            self._metrics.phase.labels(self.name, each.value).set(each is phase)
        if not self.is_ready:
            self._watches.cancel()
        if phase is Phase.LOADING:
            self._settled.clear()
        else:
            self._settled.set()
