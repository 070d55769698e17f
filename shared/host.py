"""Keeps one engine loaded: loads it in the background, answers for its state, starts it anew.

Phases: loading → ready (or degraded: on the CPU though a GPU would have been taken) → draining.
An engine that cannot be loaded is ``failed``, with one sentence that says what is missing; the
service stays up and answers 503 with that sentence. Loads never run on a request.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Hashable
from enum import StrEnum
from typing import Any

from shared.batching import BatchLimits, DynamicBatcher, Item, ItemTrace, Priority
from shared.context import request_context
from shared.engine import EngineInfo
from shared.errors import GantryError, ModelMissing, NotReady
from shared.lanes import Lane
from shared.metrics import EngineMetrics

log = logging.getLogger(__name__)

RESTART_DELAYS_S = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
"""Pause before each further attempt to start an engine; the last one repeats."""


class Phase(StrEnum):
    """State of an engine."""

    LOADING = "loading"
    READY = "ready"
    DEGRADED = "degraded"
    DRAINING = "draining"
    FAILED = "failed"


class EngineHost:
    """One engine, its lane and its batcher."""

    def __init__(
        self,
        lane: Lane,
        limits: BatchLimits,
        *,
        metrics: EngineMetrics,
        name: str,
    ) -> None:
        """Host the engine behind ``lane``; nothing is loaded until ``start``.

        Args:
            lane: where it runs.
            limits: bounds of its batches and queue.
            metrics: where it counts.
            name: what it does, as in metrics and log ("detect", "recognise").
        """
        self.name = name
        self.info: EngineInfo | None = None
        self.reason: str | None = None  # why it is not ready
        self._lane = lane
        self._metrics = metrics
        self._batcher = DynamicBatcher([lane], limits, metrics=metrics, name=name)
        self._phase = Phase.LOADING
        self._loader: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()
        self._set_phase(Phase.LOADING)

    @property
    def phase(self) -> Phase:
        """State of the engine."""
        return self._phase

    @property
    def is_ready(self) -> bool:
        """Whether it takes work."""
        return self._phase in (Phase.READY, Phase.DEGRADED)

    @property
    def queued_items(self) -> int:
        """Items waiting."""
        return self._batcher.queued_items

    def predicted_wait_s(self) -> float:
        """How long a new item would wait, in s."""
        return self._batcher.predicted_wait_s()

    def start(self) -> None:
        """Begin to load in the background; a load that is under way is not doubled."""
        if self._loader is None or self._loader.done():
            self._loader = asyncio.ensure_future(self._load())

    async def settled(self) -> None:
        """Wait until the engine is loaded or is known not to load."""
        await self._settled.wait()

    async def run(
        self,
        payload: Any,  # noqa: ANN401 - the engine's own kind
        *,
        key: Hashable = (),
        weight: float = 1.0,
        priority: Priority = Priority.INTERACTIVE,
    ) -> Any:  # noqa: ANN401
        """Run one payload for the request being answered; timings go into its context.

        Raises:
            Unavailable: not ready, or the queue is full.
            GantryError: what the engine raised for it.
        """
        context = request_context()
        if self.info is not None:
            context.model, context.device = self.info.model, self.info.device
        trace = ItemTrace()
        item = Item(payload, key, context.deadline, weight, priority, trace)
        try:
            return await self._batcher.submit(item)
        finally:
            context.add_ms("queue", trace.queue_ms)
            context.add_ms("inference", trace.inference_ms)
            if not self._lane.is_alive and self.is_ready:
                self._lost()

    async def stop(self, drain_s: float = 10.0) -> None:
        """Answer what was accepted, for at most ``drain_s``, then free the engine."""
        self._set_phase(Phase.DRAINING)
        if self._loader is not None:
            self._loader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loader
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._batcher.drain(), drain_s)
        self._batcher.refuse(NotReady("the service is stopping"))
        await self._lane.stop()

    def _lost(self) -> None:
        log.error("%s: the engine's process has ended; starting it anew", self.name)
        self._metrics.restarts.labels(self.name).inc()
        self._set_phase(Phase.LOADING)
        self._batcher.refuse(NotReady("the engine is being restarted"))
        self.start()

    async def _load(self) -> None:
        for attempt in range(10**9):
            try:
                await self._load_once()
            except ModelMissing as error:
                self._fail(error)
                return  # a file does not appear by trying again
            except GantryError as error:
                self._fail(error)
            except Exception:  # a fault while loading must leave the service answering 503
                log.exception("%s: loading failed", self.name)
                self._fail(NotReady("the model could not be loaded; see the service's log"))
            else:
                return
            await asyncio.sleep(RESTART_DELAYS_S[min(attempt, len(RESTART_DELAYS_S) - 1)])

    async def _load_once(self) -> None:
        started = time.perf_counter()
        self.info = info = await self._lane.start()
        self.reason = info.fallback_reason
        self._metrics.cpu_fallback.labels(self.name).set(info.fallback_reason is not None)
        log.info(
            "%s: loaded %s on %s in %.1f s",
            self.name, info.model, info.device, time.perf_counter() - started,
        )  # fmt: skip
        if info.fallback_reason is not None:
            log.warning("%s: running on the CPU: %s", self.name, info.fallback_reason)
        self._set_phase(Phase.READY if info.fallback_reason is None else Phase.DEGRADED)
        self._batcher.open()

    def _fail(self, error: GantryError) -> None:
        self.reason = error.detail
        log.error("%s: %s", self.name, error.detail)
        self._set_phase(Phase.FAILED)
        kind = type(error) if isinstance(error, (ModelMissing, NotReady)) else NotReady
        self._batcher.refuse(kind(error.detail, retry_after_s=30))

    def _set_phase(self, phase: Phase) -> None:
        self._phase = phase
        for each in Phase:
            self._metrics.phase.labels(self.name, each.value).set(each is phase)
        if phase is Phase.LOADING:
            self._settled.clear()
        else:
            self._settled.set()
