import asyncio
import os
import time

import pytest

from shared.settings import ServiceSettings
from shared.spool import Spool
from shared.testing import running_app
from tests.shared import echo
from tests.shared.held_executor import HeldExecutor

CONTENT = b"x" * 1000


@pytest.fixture
async def threads():
    executor = HeldExecutor()
    asyncio.get_running_loop().set_default_executor(executor)
    yield executor
    executor.release.set()


async def written(spool):
    file = spool.create()
    file.add(CONTENT)
    return await file.finish()


async def turns():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_files_are_written_whole_and_go_with_their_folder(tmp_path):
    spool = Spool(tmp_path, 2)

    first, second = await written(spool), await written(spool)
    read = [each.path.read_bytes() for each in (first, second)]
    await spool.remove()

    assert read == [CONTENT, CONTENT]
    assert first.path != second.path
    assert list(tmp_path.iterdir()) == []


async def test_folder_is_neither_made_nor_removed_on_the_event_loop(tmp_path, threads):
    spool = Spool(tmp_path, 1)

    writing = asyncio.create_task(written(spool))
    await turns()
    while_writing = list(tmp_path.iterdir())
    threads.release.set()
    file = await writing
    threads.release.clear()
    removing = asyncio.create_task(spool.remove())
    await turns()
    while_removing = file.path.exists()
    threads.release.set()
    await removing

    assert (while_writing, while_removing) == ([], True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("times", [1, 2])
async def test_request_that_is_given_up_while_it_writes_leaves_nothing(tmp_path, threads, times):
    spool, others = Spool(tmp_path, 1), asyncio.all_tasks()

    async def request():
        try:
            await written(spool)
        finally:
            await spool.remove()

    running = asyncio.create_task(request())
    for _ in range(times):
        await turns()
        running.cancel()
    await turns()
    threads.release.set()
    await asyncio.wait(asyncio.all_tasks() - others)

    assert running.cancelled()
    assert list(tmp_path.iterdir()) == []


async def test_request_without_a_file_touches_no_disk(tmp_path, threads):
    spool = Spool(tmp_path / "missing", 1)

    await spool.remove()


async def test_what_a_killed_service_left_is_removed_at_the_next_start(tmp_path):
    old, fresh = tmp_path / "gantry-old", tmp_path / "gantry-fresh"
    for folder in (old, fresh, tmp_path / "results"):
        folder.mkdir()
        (folder / "0001").write_bytes(b"x")
    long_ago = time.time() - 2 * 86_400
    for folder in (old, tmp_path / "results"):
        os.utime(folder, (long_ago, long_ago))

    async with running_app(echo.build(settings=ServiceSettings(spool_dir=tmp_path))):
        pass

    assert sorted(each.name for each in tmp_path.iterdir()) == ["gantry-fresh", "results"]
