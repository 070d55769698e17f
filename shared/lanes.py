"""Lanes: where an engine runs. One lane runs one batch at a time.

``ProcessLane`` puts the engine in a child process of its own (speech, vision: native code that
can leak, hang or crash); ``InlineLane`` runs it on one thread of this process (models that answer
in microseconds, and engines given by tests).
"""

import asyncio
import logging
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Protocol

import psutil

from shared.engine import Engine, EngineInfo
from shared.errors import DeadlineExceeded, EngineError, GantryError, OutOfMemory
from shared.faults import classify
from shared.gpu.device import Device, list_gpus
from shared.gpu.manager import GPUMemoryManager
from shared.gpu.memory import NvmlMonitor
from shared.worker import Handler, Worker, WorkerSpec, resolve

log = logging.getLogger(__name__)


class LaneHung(DeadlineExceeded):
    """A batch ran longer than the engine's limit; the engine is being restarted."""

    code = "engine_hung"


class Lane(Protocol):
    """Runs batches of one engine, one at a time."""

    async def start(self) -> EngineInfo:
        """Load and warm the engine."""
        ...

    async def run(self, key: Hashable, payloads: Sequence[Any]) -> Sequence[Any]:
        """Run one batch; as ``Engine.run``."""
        ...

    async def exercise(self) -> None:
        """Run the golden example; never while a batch runs.

        Raises:
            EngineError: its answer is wrong.
        """
        ...

    async def clean_up(self) -> None:
        """Give back memory that is not in use, between two batches."""
        ...

    async def stop(self) -> None:
        """Free everything; the lane can be started again."""
        ...

    def clone(self) -> "Lane":
        """Another lane of the same kind, not started."""
        ...

    @property
    def memory_bytes(self) -> int | None:
        """Memory of the engine's own process; None where it shares this one."""
        ...

    @property
    def pid(self) -> int | None:
        """Id of the engine's own process; None where it shares this one, or there is none."""
        ...

    @property
    def is_alive(self) -> bool:
        """Whether batches can be run now."""
        ...


LaneOn = Callable[[str], Lane]
"""Makes a lane whose engine runs on the device that it is told: ``auto``, ``cpu`` or ``cuda:N``."""


def lanes_of(engine: Engine, cpu_engine: Engine | None = None) -> LaneOn:
    """Lanes that run engines at hand in this process, ``cpu_engine`` in place of one on the CPU."""

    def lane_on(device: str) -> Lane:
        return InlineLane(lambda: (cpu_engine if device == "cpu" else None) or engine)

    return lane_on


class InlineLane:
    """Runs an engine on one thread of this process, or on the caller's where that is quicker."""

    def __init__(self, create: Callable[[], Engine]) -> None:
        """Take what makes the engine; each lane has one of its own, made when it starts."""
        self._create = create
        self._engine: Engine | None = None
        self._memory = GPUMemoryManager()
        self._thread: ThreadPoolExecutor | None = None
        self.last_run_s = 0.0  # CPU time of the last batch: what it would hold up the caller for

    async def start(self) -> EngineInfo:
        """Make, load and warm the engine on its thread."""
        await self.stop()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lane")
        try:
            info: EngineInfo = await self._call(self._load)
        except BaseException:
            await self.stop()
            raise
        return info

    def _load(self) -> EngineInfo:
        self._engine = self._create()
        return _load_and_warm(self._engine, self._memory)

    async def run(self, key: Hashable, payloads: Sequence[Any]) -> Sequence[Any]:
        """Run one batch."""
        results: Sequence[Any] = await self._call(self._run, key, payloads)
        return results

    def run_now(self, key: Hashable, payloads: Sequence[Any]) -> Sequence[Any]:
        """Run one batch on the caller's thread; never while another one runs."""
        return self._run(key, payloads)

    def _run(self, key: Hashable, payloads: Sequence[Any]) -> Sequence[Any]:
        engine = self._loaded()
        started = time.thread_time()
        try:
            return run_engine(engine, key, payloads, self._memory)
        finally:
            self.last_run_s = time.thread_time() - started

    async def exercise(self) -> None:
        """Run the golden example."""
        await self._call(self._loaded().warm_up)

    async def clean_up(self) -> None:
        """Give back memory that is not in use, between two batches."""
        await self._call(self._memory.clean_up, "asked by the host")

    async def stop(self) -> None:
        """Close the engine and end the thread."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._close)
            thread.shutdown(wait=False)

    def _close(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    def _loaded(self) -> Engine:
        if self._engine is None:
            raise EngineError("the engine is not loaded")
        return self._engine

    def clone(self) -> "InlineLane":
        """Another lane, with an engine of its own."""
        return InlineLane(self._create)

    @property
    def memory_bytes(self) -> int | None:
        """None: the engine lives in this process."""
        return None

    @property
    def pid(self) -> int | None:
        """None: the engine lives in this process."""
        return None

    @property
    def is_alive(self) -> bool:
        """Whether the engine is loaded."""
        return self._thread is not None

    async def _call(self, function: Any, *arguments: Any) -> Any:  # noqa: ANN401 - passes through
        if self._thread is None:
            raise EngineError("the engine is not loaded")
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)


class ProcessLane:
    """Runs an engine in a child process; kills and reports it when a batch hangs."""

    def __init__(self, spec: WorkerSpec, *, timeout_s: float = 300.0) -> None:
        """Describe the child; it is started by ``start``.

        Args:
            spec: ``handler`` names a function that takes the options and returns an ``Engine``.
            timeout_s: longest run of one batch, in s.
        """
        self._given = spec
        self._spec = replace(
            spec,
            handler="shared.lanes:engine_handler",
            options={"engine": spec.handler, "options": dict(spec.options)},
            record_types=[*spec.record_types, EngineInfo],
        )
        self._timeout_s = timeout_s
        self._worker: Worker | None = None
        self._thread: ThreadPoolExecutor | None = None

    async def start(self) -> EngineInfo:
        """Start the child, load and warm the engine in it."""
        await self.stop()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self._spec.name)
        loop = asyncio.get_running_loop()
        try:
            worker = await self._make_worker(self._thread)
            info: EngineInfo = await loop.run_in_executor(self._thread, worker.call, "load")
        except BaseException:
            await self.stop()
            raise
        return info

    async def _make_worker(self, thread: ThreadPoolExecutor) -> Worker:
        making = asyncio.get_running_loop().run_in_executor(thread, Worker, self._spec)
        try:
            self._worker = await asyncio.shield(making)
            return self._worker
        except asyncio.CancelledError:
            await asyncio.wait({making})  # a few ms; then there is a child for ``stop`` to end
            if making.exception() is None:
                self._worker = making.result()
            raise

    async def run(self, key: Hashable, payloads: Sequence[Any]) -> Sequence[Any]:
        """Run one batch in the child.

        Raises:
            LaneHung: it took longer than the limit; the child has been killed.
            WorkerDied: the child ended.
        """
        return checked(await self._within_time("run", key, list(payloads)), payloads)

    async def exercise(self) -> None:
        """Run the golden example in the child; raises as ``run``."""
        await self._within_time("exercise")

    async def _within_time(self, method: str, *arguments: Any) -> Any:  # noqa: ANN401 - passes through
        if self._worker is None or self._thread is None:
            raise EngineError("the engine is not loaded")
        call = asyncio.get_running_loop().run_in_executor(
            self._thread, self._worker.call, method, *arguments
        )
        done, _ = await asyncio.wait({call}, timeout=self._timeout_s)
        if not done:
            self._worker.kill()
            await asyncio.wait({call})
            call.exception()  # the child's death is the consequence, not the news
            raise LaneHung(f"the model did not answer within {self._timeout_s:g} s")
        return call.result()

    async def clean_up(self) -> None:
        """Let the child give back memory that it does not use, between two batches."""
        if self._worker is None or self._thread is None:
            return
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._worker.call, "clean_up")

    def clone(self) -> "ProcessLane":
        """Another lane of the same kind, not started."""
        return ProcessLane(self._given, timeout_s=self._timeout_s)

    @property
    def memory_bytes(self) -> int | None:
        """Resident memory of the child; None while there is none."""
        if self._worker is None:
            return None
        try:
            return int(psutil.Process(self._worker.pid).memory_info().rss)
        except psutil.Error:
            return None

    @property
    def pid(self) -> int | None:
        """Process id of the child; None while there is none."""
        return self._worker.pid if self._worker is not None else None

    async def stop(self) -> None:
        """End the child."""
        worker, thread, self._worker, self._thread = self._worker, self._thread, None, None
        if worker is not None:
            if not worker.is_alive:
                log.info("%s has ended", self._spec.name)
            await asyncio.get_running_loop().run_in_executor(None, worker.close)
        if thread is not None:
            thread.shutdown(wait=False)

    @property
    def is_alive(self) -> bool:
        """Whether the child runs."""
        return self._worker is not None and self._worker.is_alive


def checked(results: Sequence[Any], payloads: Sequence[Any]) -> Sequence[Any]:
    """``results``, if there is one for each payload; a wrong length must never shift answers."""
    if len(results) != len(payloads):
        raise EngineError(f"the model gave {len(results)} results for {len(payloads)} items")
    return results


def run_engine(
    engine: Engine, key: Hashable, payloads: Sequence[Any], memory: GPUMemoryManager
) -> list[Any]:
    """Run a batch; what the engine raises or returns as an exception becomes one of our errors.

    Memory is cleaned up before this returns, if the batch ran out of it.

    Raises:
        GantryError: the batch failed as a whole, or gave a wrong number of results.
    """
    try:
        with memory:
            results = checked(engine.run(key, payloads), payloads)
    except GantryError:
        raise
    except Exception as error:  # the batch loop's edge: native code raises anything
        log.exception("a batch failed")
        raise classify(error) from error
    return [_item(each, memory) if isinstance(each, Exception) else each for each in results]


def _item(error: Exception, memory: GPUMemoryManager) -> GantryError:
    shown = classify(error)
    if isinstance(shown, OutOfMemory):
        memory.after_out_of_memory(error)
    return shown


def engine_handler(options: dict[str, Any]) -> Handler:
    """The child's side of ``ProcessLane``: build the engine that the options name, and serve it."""
    engine: Engine = resolve(options["engine"])(options["options"])
    memory = GPUMemoryManager()

    def handle(method: str, arguments: list[Any]) -> Any:  # noqa: ANN401 - any wire value
        if method == "load":
            return _load_and_warm(engine, memory)
        if method == "exercise":
            return engine.warm_up()
        if method == "clean_up":
            return memory.clean_up("asked by the host").freed_bytes
        key, payloads = arguments
        return run_engine(engine, key, payloads, memory)

    return handle


def _load_and_warm(engine: Engine, memory: GPUMemoryManager) -> EngineInfo:
    info = engine.load()
    device = Device(info.device)
    if device.is_gpu:
        gpus = list_gpus()
        if device.index < len(gpus):
            memory.watch(NvmlMonitor(gpus[device.index].uuid))
    engine.warm_up()
    return info
