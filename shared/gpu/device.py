"""Choose the device: NVML says what there is, the engine's runtime says what it can use.

``auto`` takes the first GPU that both agree on and falls back to the CPU otherwise. The fallback
is never silent: the reason travels with the choice to the log, ``/readyz`` and a metric.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pynvml

from shared.errors import GantryError


class DeviceUnavailable(GantryError):
    """A GPU was named in the settings but cannot be used."""

    status = 503
    code = "device_unavailable"


@dataclass(frozen=True)
class Gpu:
    """One GPU as NVML sees it."""

    index: int  # as in cuda:N after CUDA_VISIBLE_DEVICES
    name: str
    uuid: str
    total_bytes: int


@dataclass(frozen=True)
class Device:
    """The device an engine runs on."""

    name: str  # "cpu" or "cuda:N"
    reason: str = "the settings name it"  # why this one, for whoever runs the service
    fallback_reason: str | None = None  # why it is the CPU though there is a GPU

    @property
    def is_gpu(self) -> bool:
        """Whether this is a GPU."""
        return self.name.startswith("cuda")

    @property
    def index(self) -> int:
        """Index of the GPU; 0 for the CPU."""
        return int(self.name.partition(":")[2] or 0)


def list_gpus(environ: Mapping[str, str] | None = None) -> list[Gpu]:
    """GPUs that this process may use, in CUDA's order; empty without a driver.

    ``CUDA_VISIBLE_DEVICES`` (indices or UUIDs, MIG instances too) selects and orders them; as in
    CUDA, the list ends at the first entry that does not exist.
    """
    visible = (os.environ if environ is None else environ).get("CUDA_VISIBLE_DEVICES")
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        return visible_gpus(_all_gpus(), visible)
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()


def _all_gpus() -> list[Gpu]:
    gpus = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        gpus.append(_describe(handle, index))
        for slot in range(_mig_slots(handle)):
            try:
                instance = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, slot)
            except pynvml.NVMLError:
                continue
            gpus.append(_describe(instance, -1))
    return gpus


def _mig_slots(handle: object) -> int:
    try:
        current, _pending = pynvml.nvmlDeviceGetMigMode(handle)
        return int(pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)) if current else 0
    except pynvml.NVMLError:
        return 0


def _describe(handle: object, index: int) -> Gpu:
    name, uuid = pynvml.nvmlDeviceGetName(handle), pynvml.nvmlDeviceGetUUID(handle)
    total = pynvml.nvmlDeviceGetMemoryInfo(handle).total
    return Gpu(index=index, name=str(name), uuid=str(uuid), total_bytes=int(total))


def visible_gpus(gpus: list[Gpu], visible: str | None) -> list[Gpu]:
    """Those of ``gpus`` that ``CUDA_VISIBLE_DEVICES`` names, numbered in its order."""
    if visible is None:
        return [gpu for gpu in gpus if gpu.index >= 0]
    chosen = []
    for entry in (part.strip() for part in visible.split(",")):
        found = next((gpu for gpu in gpus if _matches(gpu, entry)), None)
        if found is None:
            break
        chosen.append(found)
    return [Gpu(number, gpu.name, gpu.uuid, gpu.total_bytes) for number, gpu in enumerate(chosen)]


def _matches(gpu: Gpu, entry: str) -> bool:
    if entry.isdigit():
        return gpu.index == int(entry)
    return bool(entry) and gpu.uuid.startswith(entry)


def choose_device(
    wanted: str,
    *,
    gpus: Callable[[], list[Gpu]] = list_gpus,
    runtime_gpus: Callable[[], int] | None = None,
) -> Device:
    """Choose where an engine runs.

    Args:
        wanted: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        gpus: lists the GPUs (NVML).
        runtime_gpus: counts the GPUs that the engine's own library can use; None means it can use
            none.

    Returns:
        The device and why. ``auto`` on a machine without a GPU is no fallback; with a GPU that
        cannot be used it is one.

    Raises:
        DeviceUnavailable: a GPU was named but cannot be used.
    """
    if wanted == "cpu":
        return Device("cpu")
    index = int(wanted.partition(":")[2] or 0)
    found = gpus()
    reason = _why_not(index, found, runtime_gpus)
    if reason is None:
        return Device(f"cuda:{index}", f"{found[index].name} was found")
    if wanted == "auto":
        return Device("cpu", reason, fallback_reason=reason if found else None)
    raise DeviceUnavailable(f"{wanted} cannot be used: {reason}; set the device to auto or cpu")


def _why_not(index: int, gpus: list[Gpu], runtime_gpus: Callable[[], int] | None) -> str | None:
    if not gpus:
        return "no NVIDIA GPU or driver was found"
    if index >= len(gpus):
        return f"there are only {len(gpus)} GPUs"
    if runtime_gpus is None:
        return "this engine has no GPU build"
    if runtime_gpus() <= index:
        return "the engine's library was built without CUDA or cannot reach the GPU"
    return None
