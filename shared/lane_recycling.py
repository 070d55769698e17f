"""``LaneRecycler``: replaces an engine's process by a fresh one when its memory or age says so."""

import logging
from collections.abc import Callable

from shared.engine import EngineInfo
from shared.errors import GantryError
from shared.gpu.ledger import DeviceMemoryFull
from shared.lane_fleet import LaneFleet
from shared.lane_health import LaneHealth, RecyclePolicy
from shared.lanes import Lane
from shared.metrics import EngineMetrics

log = logging.getLogger(__name__)


class LaneRecycler:
    """Watches the lanes of a fleet, and renews them without dropping a request."""

    def __init__(
        self,
        fleet: LaneFleet,
        policy: RecyclePolicy,
        *,
        metrics: EngineMetrics,
        name: str,
        renewed: Callable[[EngineInfo], None],
        reload_in_place: Callable[[Lane], None],
    ) -> None:
        """Watch ``fleet``.

        Args:
            fleet: the lanes in use.
            policy: when a lane is replaced.
            metrics: where it counts.
            name: the engine's, as in metrics and log.
            renewed: told what a fresh engine says of itself.
            reload_in_place: frees a lane that is no longer in the fleet, then loads anew.
        """
        self._fleet, self._health = fleet, LaneHealth(policy)
        self._metrics, self._name = metrics, name
        self._renewed, self._reload_in_place = renewed, reload_in_place
        self.is_busy = False

    def after_batch(self, lane: Lane) -> str | None:
        """Count a batch; gives the reason to call ``recycle_for``, if there is one."""
        reason = self._health.after_batch(lane)
        memory_bytes = self._health.memory_bytes(lane)
        if memory_bytes is not None:
            self._metrics.engine_memory.labels(self._name).set(memory_bytes)
            self._fleet.note_memory_share()
        return None if self.is_busy else reason

    async def recycle_for(self, lane: Lane, reason: str) -> None:
        """Replace the lanes, unless cleaning up the memory of ``lane`` is enough."""
        if self.is_busy:
            return
        self.is_busy = True
        try:
            if reason != "batches" and await self._is_relieved(lane):
                log.info("%s: a clean-up was enough: %s", self._name, reason)
                return
            log.warning("%s: recycling the engine's process: %s", self._name, reason)
            if reason == "growth":
                self._health.watch_longer()
            await self.recycle(reason)
        except GantryError as error:
            log.warning("%s: the replacement did not start: %s", self._name, error.detail)
        finally:
            self.is_busy = False

    async def recycle(self, reason: str) -> None:
        """Replace every lane: start a fresh one, warm it, swap, drain the old one.

        Where the device has no room for two, requests wait in the queue meanwhile.

        Raises:
            GantryError: the fresh lane did not start or failed its golden example; the old one
                goes on.
        """
        was_busy, self.is_busy = self.is_busy, True
        try:
            for old in self._fleet:
                await self._renew(old, reason)
        finally:
            self.is_busy = was_busy

    async def _renew(self, old: Lane, reason: str) -> None:
        fresh = old.clone()
        try:
            info = await fresh.start()
        except DeviceMemoryFull:
            self._renew_in_place(old, reason)
            return
        if old not in self._fleet:  # lost or unloaded meanwhile: what follows is the host's affair
            await fresh.stop()
            return
        self._renewed(info)
        self._metrics.restarts.labels(self._name, reason).inc()
        self._fleet.use(fresh)
        self._fleet.drop(old)
        await self._fleet.free([old])

    def _renew_in_place(self, old: Lane, reason: str) -> None:
        if old in self._fleet:
            self._metrics.restarts.labels(self._name, reason).inc()
            self._fleet.drop(old)
            self._reload_in_place(old)

    async def _is_relieved(self, lane: Lane) -> bool:
        """Clean a lane's memory up, and see whether that was all that was wrong."""
        await lane.clean_up()
        self._metrics.cleanups.labels(self._name).inc()
        return self._health.after_clean_up(lane)
