"""``MemoryBudget``: an engine is loaded only where its memory has been set aside.

``BudgetedLane`` stands around a lane. Before the engine is loaded it takes a share in the device's
account (``shared.gpu.ledger``), waiting until other loads are measured or idle models have gone;
after the load it enters what the model really holds; when the lane stops it gives the share back.
While it holds one it listens whether another load asks for it, and lets its owner decide.
"""

import asyncio
import contextlib
import logging
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from shared.engine import EngineInfo
from shared.errors import OutOfMemory
from shared.gpu.ledger import Claim, DeviceMemoryFull, MemoryLedger, Room, Share, Shortage
from shared.gpu.memory import MemoryMonitor
from shared.lanes import Lane

log = logging.getLogger(__name__)


class ShareOwner(Protocol):
    """Who decides over a lane's share: its host."""

    def give_up_if_idle(self) -> bool:
        """Begin to unload, if there is no work; whether that was done."""
        ...

    def waits_for_memory(self, shortage: Shortage | None) -> None:
        """Told why a load waits, and with None that it goes on."""
        ...


@dataclass(frozen=True)
class BudgetLimits:
    """How a service shares a device."""

    budget_bytes: int | None = None  # most that its engines hold together; None: all there is
    keep_free_share: float = 0.03  # 0 to 1 of the device: for contexts and what nobody accounts for
    wait_s: float = 60.0  # longest wait of a load for memory
    look_every_s: float = 0.5  # while waiting, and to hear whether others ask
    note_every_s: float = 5.0  # while working


class MemoryBudget:
    """The part of one device that one service may hold."""

    def __init__(
        self,
        ledger: MemoryLedger,
        monitor: MemoryMonitor,
        *,
        service: str,
        limits: BudgetLimits | None = None,
    ) -> None:
        """Share ``monitor``'s device by ``ledger``."""
        self._ledger, self._monitor = ledger, monitor
        self._service = service
        self.limits = limits or BudgetLimits()

    def shares(self) -> list[Share]:
        """All shares of the device."""
        return self._ledger.shares()

    def used_bytes(self) -> int | None:
        """What everybody uses on the device; None when it cannot be read."""
        seen = self._monitor.snapshot()
        return seen.used_bytes if seen is not None else None

    def process_bytes(self, pid: int | None) -> int | None:
        """What a process holds on the device, if that can be told."""
        return self._monitor.process_bytes(pid) if pid is not None else None

    async def reserve(self, model: str, owner: ShareOwner | None) -> Share:
        """Set memory aside for a model; waits until there is room.

        Raises:
            DeviceMemoryFull: there was no room in time, or there never will be.
        """
        claim = Claim(self._service, model, self.limits.budget_bytes)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.limits.wait_s
        told: tuple[str, ...] | None = None
        try:
            while True:
                found = await self._reserved(claim)
                if isinstance(found, Share):
                    return found
                if told != found.asked:
                    told = found.asked
                    log.info("%s waits for memory of the device: %s", model, found)
                if owner is not None:
                    owner.waits_for_memory(found)
                if loop.time() >= deadline:
                    raise DeviceMemoryFull(f"{model} does not fit the device's memory: {found}")
                await asyncio.sleep(self.limits.look_every_s)
        finally:
            if owner is not None and told is not None:
                owner.waits_for_memory(None)

    async def settle(self, share: Share, *, pid: int | None, before_bytes: int | None) -> Share:
        """Enter what a loaded model holds: its process's part, else by how much use has risen.

        Raises:
            DeviceMemoryFull: it is more than was set aside; the share is given back, and the engine
                must be unloaded.
        """
        return await asyncio.to_thread(self._settle, share, pid, before_bytes)

    async def note(self, share: Share, pid: int | None) -> Share:
        """Say that the model works, and what it holds now if that can be told."""
        return await asyncio.to_thread(lambda: self._ledger.note(share, self.process_bytes(pid)))

    async def release(self, share: Share, *, ran_out: bool = False) -> None:
        """Give a share back; one that was too small is asked for larger by a quarter next time."""
        needs = min(share.size_bytes * 5 // 4, share.most_bytes) if ran_out else None
        await asyncio.to_thread(lambda: self._ledger.release(share, needs_bytes=needs))

    async def is_wanted(self, share: Share) -> bool:
        """Whether another load asks for this share."""
        wanted = await asyncio.to_thread(self._ledger.wanted)
        return any(each.id == share.id for each in wanted)

    async def _reserved(self, claim: Claim) -> Share | Shortage:
        """Ask the ledger; a share that comes after the load was broken off is given back."""
        asking = asyncio.ensure_future(asyncio.to_thread(self._reserve, claim))
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            await asyncio.wait([asking])
            if asking.exception() is None and isinstance(found := asking.result(), Share):
                await self.release(found)
            raise

    def _reserve(self, claim: Claim) -> Share | Shortage:
        seen = self._monitor.snapshot()
        if seen is None:
            raise DeviceMemoryFull("the memory of the device cannot be read")
        kept = round(self.limits.keep_free_share * seen.total_bytes)
        room = Room(seen.total_bytes - kept, max(0, seen.free_bytes - kept))
        return self._ledger.reserve(claim, room)

    def _settle(self, share: Share, pid: int | None, before_bytes: int | None) -> Share:
        measured = self.process_bytes(pid)
        if measured is None:
            now, measured = self.used_bytes(), share.size_bytes
            if now is not None and before_bytes is not None:
                # More than was set aside is a neighbour's.
                measured = min(max(0, now - before_bytes), share.size_bytes)
        if measured > share.size_bytes:
            self._ledger.release(share, needs_bytes=measured)
            raise DeviceMemoryFull(
                f"{share.model} took {measured / 2**30:.2f} GiB of the device's memory, "
                f"{share.size_bytes / 2**30:.2f} were left for it"
            )
        return self._ledger.settle(share, measured)


class BudgetedLane:
    """A lane that is loaded only within a budget."""

    def __init__(self, lane: Lane, budget: MemoryBudget, model: str, *, device: str) -> None:
        """Guard ``lane``.

        Args:
            lane: runs the engine.
            budget: of the device it is meant for.
            model: what its footprint is remembered under.
            device: ``cpu`` or ``cuda``; an engine that was loaded elsewhere gives its share back.
        """
        self._lane, self._budget, self._model, self._device = lane, budget, model, device
        self._owner: ShareOwner | None = None
        self._share: Share | None = None
        self._account = asyncio.Lock()  # a share is not noted after it was given back
        self._watch: asyncio.Task[None] | None = None
        self._works = False  # since the share was last noted

    def owned_by(self, owner: ShareOwner) -> None:
        """Name who decides over the share, for this lane and its clones."""
        self._owner = owner

    @property
    def share_bytes(self) -> int:
        """What is set aside for it on the device; 0 while nothing is."""
        return self._share.size_bytes if self._share is not None else 0

    async def start(self) -> EngineInfo:
        """Set memory aside, load the engine, enter what it holds.

        Raises:
            DeviceMemoryFull: there was no room in time.
        """
        await self.stop()
        before = await asyncio.to_thread(self._budget.used_bytes)
        self._share = await self._budget.reserve(self._model, self._owner)
        try:
            info = await self._lane.start()
        except BaseException as error:
            await self._give_back(ran_out=isinstance(error, OutOfMemory))
            raise
        if not info.device.startswith(self._device):
            await self._give_back()
            return info
        try:
            async with self._account:
                self._share = await self._budget.settle(
                    self._share, pid=self._lane.pid, before_bytes=before
                )
        except DeviceMemoryFull:
            await self.stop()
            raise
        self._watch = asyncio.ensure_future(self._listen())
        return info

    async def run(self, key: Hashable, payloads: Sequence[Any]) -> Sequence[Any]:
        """Run one batch."""
        self._works = True
        return await self._lane.run(key, payloads)

    async def exercise(self) -> None:
        """Run the golden example."""
        await self._lane.exercise()

    async def clean_up(self) -> None:
        """Give back memory that is not in use, between two batches."""
        await self._lane.clean_up()

    async def stop(self) -> None:
        """Free the engine, then give the share back."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
        await self._lane.stop()
        await self._give_back()

    def clone(self) -> "BudgetedLane":
        """Another lane of the same kind, not started, with a share of its own."""
        clone = BudgetedLane(self._lane.clone(), self._budget, self._model, device=self._device)
        clone._owner = self._owner
        return clone

    @property
    def memory_bytes(self) -> int | None:
        """Memory of the engine's own process."""
        return self._lane.memory_bytes

    @property
    def pid(self) -> int | None:
        """Process id of the engine's own process."""
        return self._lane.pid

    @property
    def is_alive(self) -> bool:
        """Whether batches can be run now."""
        return self._lane.is_alive

    async def _give_back(self, *, ran_out: bool = False) -> None:
        async with self._account:
            share, self._share = self._share, None
            if share is not None:
                await self._budget.release(share, ran_out=ran_out)

    async def _listen(self) -> None:
        """Note work now and then, and answer when another load asks for the share."""
        loop = asyncio.get_running_loop()
        noted = loop.time()
        while True:
            await asyncio.sleep(self._budget.limits.look_every_s)
            share = self._share
            if share is None:
                return
            is_due = self._works and loop.time() - noted >= self._budget.limits.note_every_s
            is_refused = await self._budget.is_wanted(share) and not self._may_go()
            if is_due or is_refused:
                noted, self._works = loop.time(), False
                async with self._account:
                    if self._share is not None:
                        self._share = await self._budget.note(self._share, self._lane.pid)

    def _may_go(self) -> bool:
        return self._owner is not None and self._owner.give_up_if_idle()
