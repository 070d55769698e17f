"""Where the C library takes the memory of a batch from.

The attention of one window takes 50 MB and more in each layer, used for milliseconds. glibc asks
the kernel for a block of that size, which clears every page of it, and gives it back at once: a
quarter of the encoder's time. A heap that is kept is cleared only once.
"""

import contextlib
import ctypes
from collections.abc import Iterator

from shared.gpu.manager import trim_heap

# glibc's malloc.h
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
DEFAULT_MMAP_MAX = 65_536
NEVER = 2**31 - 1


def keep_heap() -> None:
    """From now on blocks of all sizes come from one heap, which is kept; elsewhere nothing."""
    _set(M_ARENA_MAX, 1)  # heaps of threads are too small for such blocks
    _set(M_MMAP_MAX, 0)
    _set(M_TRIM_THRESHOLD, NEVER)


@contextlib.contextmanager
def outside_heap() -> Iterator[None]:
    """Large blocks come from the kernel: for what is held long, of which much is never touched."""
    trim_heap()  # what is free in it would be taken first
    _set(M_MMAP_MAX, DEFAULT_MMAP_MAX)
    try:
        yield
    finally:
        _set(M_MMAP_MAX, 0)


def _set(option: int, value: int) -> None:
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(option, value)
