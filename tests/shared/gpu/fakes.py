"""A driver and devices without hardware."""

from dataclasses import dataclass, field
from types import SimpleNamespace

from shared.gpu.memory import MemorySnapshot

GIB = 2**30


class NVMLError(Exception):
    """As pynvml's."""


@dataclass
class FakeNvml:
    """What ``pynvml`` offers of one GPU, and what was booked to which process."""

    total: int = 16 * GIB
    others: int = 0  # used by nobody's pid
    by_pid: dict = field(default_factory=dict)
    is_broken: bool = False
    is_mig: bool = False
    NVMLError: type = NVMLError

    def nvmlInit(self):
        if self.is_broken:
            raise NVMLError("no driver")

    def nvmlDeviceGetHandleByUUID(self, uuid):
        if uuid != "GPU-1":
            raise NVMLError("not found")
        return uuid

    def nvmlDeviceGetMemoryInfo(self, handle):
        if self.is_broken:
            raise NVMLError("lost")
        used = self.others + sum(size or 0 for size in self.by_pid.values())
        return SimpleNamespace(total=self.total, used=used, free=self.total - used)

    def nvmlDeviceGetUtilizationRates(self, handle):
        if self.is_mig:
            raise NVMLError("not supported")
        return SimpleNamespace(gpu=25)

    def nvmlDeviceGetComputeRunningProcesses(self, handle):
        return [SimpleNamespace(pid=pid, usedGpuMemory=size) for pid, size in self.by_pid.items()]


@dataclass
class FakeMonitor:
    """A device whose memory tests write down."""

    total_bytes: int = 16 * GIB
    used_bytes: int = 0
    by_pid: dict = field(default_factory=dict)
    device_id: str = "GPU-1"

    def snapshot(self):
        used = self.used_bytes + sum(self.by_pid.values())
        return MemorySnapshot(used, self.total_bytes)

    def process_bytes(self, pid):
        return self.by_pid.get(pid)
