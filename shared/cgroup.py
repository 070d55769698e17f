"""How many CPU cores and how much memory this process may use, by its cgroup rather than its host.

A container with a quota of two cores on a 64-core host must start two threads, not 64.
"""

import os
from pathlib import Path

CGROUP_ROOT = Path("/sys/fs/cgroup")


def cpu_quota_cores(root: Path = CGROUP_ROOT) -> float | None:
    """CPU quota in cores, from cgroup v2 ``cpu.max`` or v1 ``cpu.cfs_*``; None when unlimited."""
    try:
        quota, period = (root / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (root / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (root / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if quota in ("max", "-1"):
        return None
    return int(quota) / int(period)


def usable_cores(root: Path = CGROUP_ROOT) -> int:
    """Whole cores this process may use: the least of affinity and quota, at least 1."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    quota = cpu_quota_cores(root)
    return max(1, min(cores, int(quota)) if quota is not None else cores)


def memory_limit_bytes(root: Path = CGROUP_ROOT) -> int | None:
    """Memory limit of the cgroup in bytes; None when there is none."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            text = (root / name).read_text().strip()
        except OSError:
            continue
        limit = None if text == "max" else int(text)
        return None if limit is None or limit >= 2**60 else limit
    return None


def memory_working_set_bytes(root: Path = CGROUP_ROOT) -> int | None:
    """Memory in use that the kernel cannot simply take back; None without a memory cgroup.

    As the kubelet counts it: all of the cgroup's memory less the file pages not used of late.
    """
    for usage, stat in (
        ("memory.current", "memory.stat"),
        ("memory/memory.usage_in_bytes", "memory/memory.stat"),
    ):
        try:
            used = int((root / usage).read_text())
            lines = (root / stat).read_text().splitlines()
        except (OSError, ValueError):
            continue
        pairs = dict(line.split(maxsplit=1) for line in lines)
        inactive = pairs.get("total_inactive_file", pairs.get("inactive_file", "0"))
        return max(0, used - int(inactive))
    return None
