"""``GPUMemoryManager``: keeps what an engine holds on its device within bounds, batch by batch.

It stands around each batch in the engine's own process::

    with manager:
        results = engine.run(key, payloads)

When the batch ran out of memory, or the device is fuller than the high watermark, it cleans up:
drop what the failed batch's traceback still refers to, collect garbage, give the allocators' caches
back to the device (torch, paddle) and to the system (glibc). Caches make the next batch fast, so
clean-ups are rate-limited, and those that do not help become rarer.
"""

import gc
import logging
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType

from shared.errors import OutOfMemory
from shared.faults import classify
from shared.gpu.memory import HostMonitor, MemoryMonitor, own_bytes
from shared.heap import trim_heap

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
"""Shortest time between two looks at the device, and between two clean-ups."""
MOST_PATIENCE_S = 60.0
"""Longest time between clean-ups that do not bring the device below its low watermark."""


@dataclass(frozen=True)
class Watermarks:
    """Shares of the device's memory, 0 to 1, by whomever they are used."""

    high: float = 0.92  # above it, clean up
    low: float = 0.80  # at or below it, a clean-up has helped


@dataclass(frozen=True)
class Cleanup:
    """What a clean-up brought."""

    freed_bytes: int  # of this process on the device, else of the device; never negative
    seconds: float


class GPUMemoryManager(AbstractContextManager["GPUMemoryManager"]):
    """Watches one device from inside one engine's process. Used from one thread at a time."""

    def __init__(
        self,
        monitor: MemoryMonitor | None = None,
        *,
        watermarks: Watermarks | None = None,
        steps: Sequence[Callable[[], object]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Watch ``monitor``'s device.

        Args:
            monitor: reads the device; by default the host's memory, until ``watch`` names another.
            watermarks: when to clean up.
            steps: what a clean-up does after references are dropped; by default ``gc.collect`` and
                giving back the caches of the allocators that are loaded.
            clock: monotonic time in s.
        """
        self._monitor = monitor or HostMonitor()
        self._marks = watermarks or Watermarks()
        self._steps = (gc.collect, empty_device_caches, trim_heap) if steps is None else steps
        self._clock = clock
        self._next_look = self._next_cleanup = -1e9
        self._patience_s = LOOK_EVERY_S

    def watch(self, monitor: MemoryMonitor) -> None:
        """Watch another device, once it is known where the engine was loaded."""
        self._monitor = monitor
        self._next_look = -1e9

    def __enter__(self) -> "GPUMemoryManager":
        """Begin a batch."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Clean up if the batch ran out of memory or left the device too full."""
        if isinstance(error, Exception) and isinstance(classify(error), OutOfMemory):
            self.after_out_of_memory(error)
        elif self._clock() >= self._next_look:
            self._look()

    def after_out_of_memory(self, error: BaseException) -> Cleanup | None:
        """Clean up before the batch is tried again in parts; None if that was done just now."""
        drop_references(error)
        if self._clock() < self._next_cleanup:
            return None
        self._next_cleanup = self._clock() + LOOK_EVERY_S
        return self.clean_up("out of memory")

    def clean_up(self, reason: str) -> Cleanup:
        """Give back all that is not in use, now."""
        started, before = self._clock(), self._held_bytes()
        for step in self._steps:
            step()
        freed = max(0, before - self._held_bytes())
        seconds = self._clock() - started
        log.info("memory cleaned up in %.2f s, %d MiB freed: %s", seconds, freed >> 20, reason)
        return Cleanup(freed, seconds)

    def _look(self) -> None:
        now = self._clock()
        self._next_look = now + LOOK_EVERY_S
        seen = self._monitor.snapshot()
        if seen is None or seen.used_share <= self._marks.high or now < self._next_cleanup:
            return
        self.clean_up(f"{seen.used_share:.0%} of the device's memory in use")
        seen = self._monitor.snapshot()
        has_helped = seen is not None and seen.used_share <= self._marks.low
        self._patience_s = (
            LOOK_EVERY_S if has_helped else min(2 * self._patience_s, MOST_PATIENCE_S)
        )
        self._next_cleanup = self._clock() + self._patience_s

    def _held_bytes(self) -> int:
        mine = own_bytes(self._monitor)
        if mine is not None:
            return mine
        seen = self._monitor.snapshot()
        return seen.used_bytes if seen is not None else 0


def drop_references(error: BaseException) -> None:
    """Clear the local variables of the frames that ``error`` went through: they hold tensors."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        traceback.clear_frames(each.__traceback__)
        each = each.__cause__ or each.__context__


def empty_device_caches() -> None:
    """Give back the cached blocks of those GPU allocators that this process has loaded."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    paddle = sys.modules.get("paddle")
    if paddle is not None and paddle.device.is_compiled_with_cuda():
        paddle.device.cuda.empty_cache()
