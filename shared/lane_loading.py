"""``LaneLoader``: starts the lanes of an engine, on the CPU when the GPU will not do."""

import asyncio
import logging

from shared.engine import EngineInfo
from shared.errors import GantryError, NotReady
from shared.host_policy import HostPolicy
from shared.lane_probe import paying_lanes
from shared.lanes import Lane
from shared.metrics import EngineMetrics

log = logging.getLogger(__name__)

_RESTART_DELAYS_S = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)

Started = tuple[list[Lane], EngineInfo]


class LaneLoader:
    """Makes started lanes out of one prototype, or of two."""

    def __init__(
        self,
        lane: Lane,
        cpu_lane: Lane | None,
        policy: HostPolicy,
        *,
        metrics: EngineMetrics,
        name: str,
    ) -> None:
        """Nothing is started yet; the arguments are those of ``EngineHost``."""
        self._prototype, self._cpu_prototype = lane, cpu_lane
        self._policy, self._metrics, self._name = policy, metrics, name
        self.wanted, self._has_probed = policy.lanes, False

    @property
    def has_cpu_fallback(self) -> bool:
        """Whether there is a second prototype for when the first cannot be started."""
        return self._cpu_prototype is not None

    async def start_one(self, failures: int) -> Started:
        """Start a lane, and before the first is used: as many beside it as pay.

        Args:
            failures: number of attempts that have failed since the last success.

        Returns:
            The lanes, and what the engine says of itself.

        Raises:
            ModelMissing: a file is not on this machine; trying again does not help.
            GantryError: it did not start.
        """
        lane = self._next(failures)
        try:
            info = await _started(lane)
            return await self._with_lanes_beside(lane), info
        except GantryError:
            raise
        except Exception as error:  # a fault while loading must leave the service answering 503
            log.exception("%s: loading failed", self._name)
            raise NotReady("the model could not be loaded; see the service's log") from error

    async def gpu_again(self) -> tuple[Lane, EngineInfo]:
        """Try the first prototype now and then, until it starts and is not on the CPU."""
        while True:
            await asyncio.sleep(self._policy.gpu_retry_s)
            lane = self._prototype.clone()
            try:
                info = await _started(lane)
            except GantryError as error:
                log.info("%s: the GPU is still out of use: %s", self._name, error.detail)
                continue
            if info.device != "cpu":
                return lane, info
            await lane.stop()  # it, too, had to fall back: nothing is gained
            reason = info.fallback_reason or "the engine chose the CPU"
            log.info("%s: the GPU is still out of use: %s", self._name, reason)

    def _next(self, failures: int) -> Lane:
        if self._cpu_prototype is not None and failures >= self._policy.attempts_before_fallback:
            return self._cpu_prototype.clone()
        return self._prototype.clone()

    async def _with_lanes_beside(self, lane: Lane) -> list[Lane]:
        """The lane, and before the first is used once: how many more pay."""
        if self._has_probed or self._policy.max_lanes <= self.wanted:
            return [lane]
        rates = self._metrics.lane_probe
        lanes = await paying_lanes(
            lane,
            most=self._policy.max_lanes,
            report=lambda number, per_s: rates.labels(self._name, str(number)).set(per_s),
        )
        log.info("%s: %d of at most %d lanes pay", self._name, len(lanes), self._policy.max_lanes)
        self._has_probed, self.wanted = True, max(len(lanes), self.wanted)
        return lanes


async def _started(lane: Lane) -> EngineInfo:
    """Start a lane; one that fails, or whose start is broken off, leaves nothing behind."""
    try:
        return await lane.start()
    except BaseException:
        await lane.stop()
        raise


def restart_delay_s(failures: int) -> float:
    """Pause after so many failed attempts in a row (at least one), in s; half a minute at most."""
    return _RESTART_DELAYS_S[min(failures, len(_RESTART_DELAYS_S)) - 1]
