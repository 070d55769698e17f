"""How much memory a device and a process hold, without importing any ML library.

A ``MemoryMonitor`` answers for one device: ``NvmlMonitor`` for a GPU through NVML, which works
without torch, ``HostMonitor`` for the CPU, where the bound is the cgroup's limit and what a process
holds is its resident memory.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psutil
import pynvml

from shared.cgroup import CGROUP_ROOT, memory_limit_bytes, memory_working_set_bytes


@dataclass(frozen=True)
class MemorySnapshot:
    """Memory of a device at one moment, in bytes."""

    used_bytes: int  # by whomever
    total_bytes: int
    utilisation: float | None = None  # 0 to 1, share of the last sampling period with work

    @property
    def free_bytes(self) -> int:
        """What nobody uses."""
        return max(0, self.total_bytes - self.used_bytes)

    @property
    def used_share(self) -> float:
        """0 to 1."""
        return self.used_bytes / self.total_bytes if self.total_bytes else 0.0


class MemoryMonitor(Protocol):
    """Reads the memory of one device."""

    @property
    def device_id(self) -> str:
        """What tells this device from all others of the machine: the GPU's UUID, or ``host``."""
        ...

    def snapshot(self) -> MemorySnapshot | None:
        """Memory of the device now; None when it cannot be read."""
        ...

    def process_bytes(self, pid: int) -> int | None:
        """What one process holds there; None when that cannot be told."""
        ...


class HostMonitor:
    """Memory of this machine, or of the cgroup this process is confined to."""

    def __init__(self, cgroup_root: Path = CGROUP_ROOT) -> None:
        """Read limits below ``cgroup_root``."""
        self._root = cgroup_root

    @property
    def device_id(self) -> str:
        """The host is the host."""
        return "host"

    def snapshot(self) -> MemorySnapshot | None:
        """The cgroup's working set against its limit; without a limit, the host's memory."""
        host = psutil.virtual_memory()
        limit, used = memory_limit_bytes(self._root), memory_working_set_bytes(self._root)
        if limit is None or used is None or limit > host.total:
            return MemorySnapshot(int(host.total - host.available), int(host.total))
        return MemorySnapshot(used, limit)

    def process_bytes(self, pid: int) -> int | None:
        """Resident memory."""
        try:
            return int(psutil.Process(pid).memory_info().rss)
        except psutil.Error:
            return None


class NvmlMonitor:
    """Memory of one GPU, by its UUID."""

    def __init__(self, uuid: str, *, nvml: Any = pynvml) -> None:  # noqa: ANN401 - untyped library
        """Read through ``nvml``; nothing is opened before the first reading."""
        self._uuid, self._nvml = uuid, nvml
        self._handle: Any = None

    @property
    def device_id(self) -> str:
        """The GPU's UUID."""
        return self._uuid

    def snapshot(self) -> MemorySnapshot | None:
        """Memory in use by all processes, and how busy the GPU is."""
        try:
            memory = self._nvml.nvmlDeviceGetMemoryInfo(self._open())
        except self._nvml.NVMLError:
            self._handle = None
            return None
        return MemorySnapshot(int(memory.used), int(memory.total), self._utilisation())

    def process_bytes(self, pid: int) -> int | None:
        """What the driver books to ``pid``; None where it does not see our process ids.

        Inside a container the driver names processes by the host's ids, so nothing is found.
        """
        try:
            found = self._nvml.nvmlDeviceGetComputeRunningProcesses(self._open())
        except self._nvml.NVMLError:
            self._handle = None
            return None
        mine = [each.usedGpuMemory for each in found if each.pid == pid]
        return int(mine[0]) if mine and mine[0] is not None else None

    def _open(self) -> Any:  # noqa: ANN401 - untyped library
        if self._handle is None:
            self._nvml.nvmlInit()  # counted by the driver; the process keeps it open
            self._handle = self._nvml.nvmlDeviceGetHandleByUUID(self._uuid)
        return self._handle

    def _utilisation(self) -> float | None:
        try:  # instances of a divided GPU (MIG) do not tell
            return float(self._nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu) / 100
        except self._nvml.NVMLError:
            return None


def own_bytes(monitor: MemoryMonitor) -> int | None:
    """What this process holds on the monitor's device."""
    return monitor.process_bytes(os.getpid())
