import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, os, re, sys, tempfile, threading
from shared.heap import share_one_heap

libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fdopen.restype = ctypes.c_void_p
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
libc.fclose.argtypes = [ctypes.c_void_p]

if sys.argv[1] == "shared":
    share_one_heap()
together = threading.Barrier(4)

def take():
    together.wait()
    for _ in range(100):
        libc.malloc(ctypes.c_size_t(1000))
    together.wait()

threads = [threading.Thread(target=take) for _ in range(4)]
for each in threads:
    each.start()
for each in threads:
    each.join()
with tempfile.NamedTemporaryFile() as file:
    with open(file.name, "w") as sink:
        out = libc.fdopen(os.dup(sink.fileno()), b"w")
        libc.malloc_info(0, out)
        libc.fclose(out)
    print(len(re.findall(rb"<heap nr=", file.read())))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="how glibc divides memory")
@pytest.mark.parametrize(("way", "is_one"), [("shared", True), ("apart", False)])
def test_threads_take_memory_from_one_heap_when_told_to(way, is_one):
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, way], capture_output=True, text=True, check=True
    )

    assert (int(ran.stdout) == 1) == is_one
