"""States of an engine, and what its host does by itself."""

from dataclasses import dataclass, field
from enum import StrEnum

from shared.lane_health import RecyclePolicy


class Phase(StrEnum):
    """State of an engine."""

    UNLOADED = "unloaded"
    LOADING = "loading"
    READY = "ready"
    DEGRADED = "degraded"
    DRAINING = "draining"
    FAILED = "failed"


TAKES_WORK = (Phase.READY, Phase.DEGRADED)


@dataclass(frozen=True)
class HostPolicy:
    """What a host does by itself."""

    lanes: int = 1  # lanes that run side by side, at least
    max_lanes: int = 1  # more than ``lanes`` lets a probe at the start find how many pay
    idle_unload_s: float | None = None  # unload after this long without work; None: never
    gpu_retry_s: float = 60.0  # on the CPU fallback, time between attempts to return to the GPU
    attempts_before_fallback: int = 2  # failed starts on the GPU before the CPU is taken
    recycle: RecyclePolicy = field(default_factory=RecyclePolicy)
