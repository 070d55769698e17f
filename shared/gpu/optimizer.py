"""``GPUOptimizer``: one object that a service asks how to use its device.

Device, memory and batches are decided in one place, from the settings and from what NVML says,
before any ML library is loaded. The engine's own runtime has the last word on the device: where it
falls back to the CPU, the memory set aside on the GPU is given back.
"""

import logging
import os
import tempfile
from collections.abc import Callable
from math import inf
from pathlib import Path

from shared.batching import BatchLimits
from shared.batching.from_settings import limits_from
from shared.gpu.budget import BudgetedLane, BudgetLimits, MemoryBudget
from shared.gpu.device import Device, DeviceUnavailable, Gpu, choose_device, list_gpus
from shared.gpu.ledger import MemoryLedger, Share
from shared.gpu.memory import HostMonitor, MemoryMonitor, NvmlMonitor
from shared.host import EngineHost
from shared.host_policy import HostPolicy
from shared.lane_health import RecyclePolicy
from shared.lanes import Lane, LaneOn
from shared.metrics import EngineMetrics
from shared.settings import EngineProcessSettings, EngineSettings

log = logging.getLogger(__name__)


class GPUOptimizer:
    """What one service should know of its device."""

    def __init__(
        self,
        settings: EngineSettings,
        *,
        service: str,
        gpus: Callable[[], list[Gpu]] = list_gpus,
        gpu_monitor: Callable[[str], MemoryMonitor] = NvmlMonitor,
        host_monitor: Callable[[], MemoryMonitor] = HostMonitor,
    ) -> None:
        """Look at the machine.

        Args:
            settings: the service's.
            service: its name, as in the device's account.
            gpus: lists the GPUs that this process may use.
            gpu_monitor: reads the GPU with the UUID it is given.
            host_monitor: reads the host's memory.
        """
        self._settings, self._service = settings, service
        self._gpu_monitor, self._host_monitor = gpu_monitor, host_monitor
        self._gpus = gpus()
        self.device = self._expected_device()
        self._budgets: dict[str, MemoryBudget | None] = {}

    def host(
        self,
        name: str,
        lane_on: LaneOn,
        limits: BatchLimits,
        *,
        metrics: EngineMetrics,
        device: str | None = None,
    ) -> EngineHost:
        """Host an engine of the service, within its budget and as its settings say.

        Where they leave the device open, an engine that fails on the GPU goes on on the CPU; an
        operator who named a device wants no other.

        Args:
            name: what the engine does, as in metrics and log ("detect", "recognise").
            lane_on: makes a lane whose engine runs on the device it is told (``auto``, ``cpu``,
                ``cuda:N``).
            limits: bounds of its batches and queue.
            metrics: where it counts.
            device: where it is meant to run; by default where the settings say.
        """
        chosen = device or self._settings.device
        return EngineHost(
            self.lane(lane_on(chosen), name, device=device),
            limits,
            metrics=metrics,
            name=name,
            policy=self.host_policy(),
            cpu_lane=self.lane(lane_on("cpu"), name, device="cpu") if chosen == "auto" else None,
        )

    def lane(self, lane: Lane, name: str, *, device: str | None = None) -> Lane:
        """``lane``, loaded only within the service's budget of its device.

        On a GPU this is always so, since its memory is shared with other services. On the CPU it
        is so when the settings name a budget.

        Args:
            lane: runs the engine.
            name: of the engine, as in metrics and log.
            device: where it is meant to run; by default where the settings say.
        """
        chosen = self.device.name if device is None else device
        kind = chosen.partition(":")[0]
        if chosen not in self._budgets:
            self._budgets[chosen] = self._budget(kind)
        budget = self._budgets[chosen]
        if budget is None:
            return lane
        parts = (name, self._settings.model, getattr(self._settings, "compute_type", ""))
        model = " ".join(part for part in parts if part)
        return BudgetedLane(lane, budget, model, device=kind)

    def shares(self) -> list[Share]:
        """What is set aside on the devices that this service uses, by all services."""
        budgets = {id(each): each for each in self._budgets.values() if each is not None}
        return [share for each in budgets.values() for share in each.shares()]

    def batch_limits(
        self,
        *,
        max_batch_size: int | None = None,
        max_weight: float = inf,
        queue_factor: int = 1,
    ) -> BatchLimits:
        """Bounds of batches and queue; as ``shared.batching.from_settings.limits_from``."""
        return limits_from(
            self._settings,
            max_batch_size=max_batch_size,
            max_weight=max_weight,
            queue_factor=queue_factor,
        )

    def host_policy(self) -> HostPolicy:
        """How many lanes a host may use, when it replaces them and when it unloads them."""
        settings, max_lanes, above_bytes = self._settings, 1, None
        if isinstance(settings, EngineProcessSettings):
            max_lanes = settings.max_lanes if settings.optimized else 1
            above_bytes = settings.recycle_above_bytes or None
        return HostPolicy(
            max_lanes=max_lanes,
            idle_unload_s=settings.idle_unload_s or None,
            recycle=RecyclePolicy(settings.recycle_after_batches or None, above_bytes),
        )

    def _expected_device(self) -> Device:
        try:
            return choose_device(
                self._settings.device, gpus=lambda: self._gpus, runtime_gpus=lambda: len(self._gpus)
            )
        except DeviceUnavailable as error:
            return Device("cpu", error.detail)  # the engine will refuse to load, and say why

    def _budget(self, kind: str) -> MemoryBudget | None:
        settings = self._settings
        budget_bytes = settings.gpu_memory_budget_bytes
        if kind == "cpu":
            budget_bytes = settings.memory_budget_bytes
            if budget_bytes is None:
                return None
            monitor = self._host_monitor()
        else:
            monitor = self._gpu_monitor(self._gpus[self.device.index].uuid)
        ledger = MemoryLedger(
            settings.memory_dir or default_folder(),
            monitor.device_id,
            idle_after_s=settings.memory_idle_s,
        )
        limits = BudgetLimits(budget_bytes=budget_bytes, wait_s=settings.memory_wait_s)
        return MemoryBudget(ledger, monitor, service=self._service, limits=limits)


def default_folder() -> Path:
    """Where processes of one user on one machine keep their accounts."""
    return Path(tempfile.gettempdir()) / f"gantry-{os.getuid()}" / "memory"
