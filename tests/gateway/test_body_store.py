import asyncio
import contextlib
import os

import pytest

from gateway.body_store import BodyStore, StoreLimits
from tests.shared.held_executor import HeldExecutor

PIECES = [bytes([number]) * 700 for number in range(10)]


async def filled(**limits):
    store = BodyStore(StoreLimits(**limits))
    for piece in PIECES:
        await store.append(piece)
    return store


async def read_all(store):
    read = b""
    while len(read) < store.size_bytes:
        read += await store.read(len(read))
    return read


async def test_small_body_lies_in_memory():
    store = await filled()

    assert store.in_memory() == b"".join(PIECES)
    assert await read_all(store) == b"".join(PIECES)


async def test_larger_body_lies_on_disk_and_is_read_back_whole(tmp_path):
    store = await filled(memory_bytes=1500, folder=tmp_path)

    assert store.is_whole
    assert store.in_memory() is None
    assert await read_all(store) == b"".join(PIECES)
    await store.close()


async def test_body_beyond_the_limit_of_the_disk_is_not_kept():
    store = await filled(memory_bytes=1500, spool_bytes=3000)

    assert not store.is_whole
    with pytest.raises(LookupError):
        await store.read(0)


async def test_latest_piece_can_be_passed_on_even_when_nothing_is_kept():
    store = await filled(memory_bytes=0, spool_bytes=0)

    assert await store.read(store.size_bytes - 700) == PIECES[-1]


async def test_folder_that_cannot_be_written_only_ends_the_keeping(tmp_path):
    store = await filled(memory_bytes=1500, folder=tmp_path / "missing")

    assert not store.is_whole


def open_files(folder):
    """What this process holds open below a folder, files without a name too."""
    links = []
    for each in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            links.append(os.readlink(f"/proc/self/fd/{each}"))
    return [link for link in links if link.startswith(str(folder))]


async def given_up_while_writing(store, piece, folder):
    appending = asyncio.create_task(store.append(piece))
    while not open_files(folder):  # noqa: ASYNC110 - a thread opens it, and says nothing
        await asyncio.sleep(0)
    appending.cancel()
    await asyncio.wait({appending})


LARGE = os.urandom(2**20) * 8  # its writing takes long enough to be interrupted


async def test_body_goes_on_whole_after_its_writing_was_given_up(tmp_path):
    store = BodyStore(StoreLimits(memory_bytes=1500, folder=tmp_path))

    await given_up_while_writing(store, LARGE, tmp_path)
    for piece in PIECES:
        await store.append(piece)

    assert await read_all(store) == LARGE + b"".join(PIECES)
    await store.close()


async def test_file_is_closed_only_after_a_writing_that_was_given_up(tmp_path):
    store = BodyStore(StoreLimits(memory_bytes=1500, folder=tmp_path))
    executor = HeldExecutor()
    asyncio.get_running_loop().set_default_executor(executor)
    appending = asyncio.create_task(store.append(bytes(2000)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    appending.cancel()
    closing = asyncio.create_task(store.close())
    await asyncio.wait({appending})

    executor.release.set()
    await closing
    executor.shutdown()

    assert not open_files(tmp_path)
