import subprocess
import sys

import pytest

PROGRAM = """
import contextlib, ctypes, resource, sys
from services.whisper.engines.heap import keep_heap, outside_heap

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]

def use_block():
    block = libc.malloc(ctypes.c_size_t(64 * 2**20))
    libc.memset(block, 1, 64 * 2**20)
    libc.free(block)

keep_heap()
use_block()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
with outside_heap() if sys.argv[1] == "outside" else contextlib.nullcontext():
    use_block()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="how glibc keeps memory")
@pytest.mark.parametrize(("place", "is_cleared_again"), [("heap", False), ("outside", True)])
def test_block_is_taken_anew_from_the_kernel_outside_the_heap_only(place, is_cleared_again):
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, place], capture_output=True, text=True, check=True
    )

    page_faults = int(ran.stdout)

    assert (page_faults > 16) == is_cleared_again  # 64 MiB are 32 huge pages at the least
