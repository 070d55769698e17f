"""Where the C library takes the memory of a batch from.

The attention of one window takes 50 MB and more in each layer, used for milliseconds. glibc asks
the kernel for a block of that size, which clears every page of it, and gives it back at once: a
quarter of the encoder's time. A heap that is kept is cleared only once.
"""

import contextlib
from collections.abc import Iterator

from shared.heap import (
    M_MMAP_MAX,
    M_TRIM_THRESHOLD,
    set_heap_option,
    share_one_heap,
    trim_heap,
)

DEFAULT_MMAP_MAX = 65_536
NEVER = 2**31 - 1


def keep_heap() -> None:
    """From now on blocks of all sizes come from one heap, which is kept; elsewhere nothing."""
    share_one_heap()  # heaps of threads are too small for such blocks
    set_heap_option(M_MMAP_MAX, 0)
    set_heap_option(M_TRIM_THRESHOLD, NEVER)


@contextlib.contextmanager
def outside_heap() -> Iterator[None]:
    """Large blocks come from the kernel: for what is held long, of which much is never touched."""
    trim_heap()  # what is free in it would be taken first
    set_heap_option(M_MMAP_MAX, DEFAULT_MMAP_MAX)
    try:
        yield
    finally:
        set_heap_option(M_MMAP_MAX, 0)
