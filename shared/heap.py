"""The heap of the C library, from which numpy and native code take their memory (glibc's malloc).

Elsewhere than on glibc nothing here does anything.
"""

import ctypes

# glibc's malloc.h
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8


def set_heap_option(option: int, value: int) -> None:
    """Set an ``M_…`` option of malloc."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(option, value)


def share_one_heap() -> None:
    """Have threads that start from now on share one heap.

    By default each gets its own, eight for each core. What one thread frees another cannot use, so
    that a service whose threads cut pictures of all sizes grows for as long as it runs.
    """
    set_heap_option(M_ARENA_MAX, 1)


def trim_heap() -> None:
    """Give freed pages back to the system."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
