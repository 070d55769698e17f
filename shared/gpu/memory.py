"""How much memory a device and this process hold, without importing any ML library."""

from dataclasses import dataclass

import psutil
import pynvml

from shared.cgroup import memory_limit_bytes


@dataclass(frozen=True)
class MemorySnapshot:
    """Memory at one moment, in bytes."""

    process_rss_bytes: int
    limit_bytes: int  # cgroup limit, else the host's memory
    gpu_used_bytes: int | None = None  # None without a GPU
    gpu_total_bytes: int | None = None
    gpu_utilisation: float | None = None  # 0 to 1, share of the last sampling period with work


def memory_snapshot(gpu_uuid: str | None = None) -> MemorySnapshot:
    """Read the process's memory and, given its UUID, that of a GPU through NVML."""
    rss = psutil.Process().memory_info().rss
    limit = memory_limit_bytes() or psutil.virtual_memory().total
    if gpu_uuid is None:
        return MemorySnapshot(rss, limit)
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return MemorySnapshot(rss, limit)
    try:
        handle = pynvml.nvmlDeviceGetHandleByUUID(gpu_uuid)
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        share = pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
        return MemorySnapshot(rss, limit, int(memory.used), int(memory.total), share)
    except pynvml.NVMLError:
        return MemorySnapshot(rss, limit)
    finally:
        pynvml.nvmlShutdown()
