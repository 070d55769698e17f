import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.cache import CacheLimits, DiskLevel, Found, ResultCache, digest, load_secret

SECRET = b"0123456789abcdef"
KEY = digest("content", {"language": "en"})


def cache_on(folder, *, secret=SECRET, limits=None, **options):
    limits = limits or CacheLimits()
    return ResultCache(limits, secret=secret, second=DiskLevel(folder, limits), **options)


class Counter:
    """A result that counts how often it is computed, and can be held back."""

    def __init__(self, value="text"):
        self.value, self.runs = value, 0
        self.begun, self.cancelled = asyncio.Event(), asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self):
        self.runs += 1
        self.begun.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return self.value


async def test_second_request_is_a_memory_hit(tmp_path):
    cache, run = cache_on(tmp_path), Counter({"text": "a", "words": [1.5, None]})

    first = await cache.get_or_run(KEY, run)
    second = await cache.get_or_run(KEY, run)

    assert first == ({"text": "a", "words": [1.5, None]}, Found.MISS)
    assert second == (first[0], Found.MEMORY)
    assert run.runs == 1


async def test_result_survives_a_restart_on_disk(tmp_path):
    await cache_on(tmp_path).put(KEY, "text")

    assert await cache_on(tmp_path).get(KEY) == ("text", Found.DISK)


@pytest.mark.parametrize("change", ["flip", "cut", "empty"])
async def test_damaged_file_is_a_miss(tmp_path, change):
    await cache_on(tmp_path).put(KEY, "text")
    [path] = tmp_path.glob("*/*")
    content = path.read_bytes()
    damaged = {"flip": content[:-1] + b"\x00", "cut": content[:20], "empty": b""}[change]
    path.write_bytes(damaged)

    assert await cache_on(tmp_path).get(KEY) is None


async def test_entry_of_another_key_or_secret_is_a_miss(tmp_path):
    await cache_on(tmp_path).put(KEY, "text")
    other = digest("other")
    [path] = tmp_path.glob("*/*")
    (tmp_path / other[:2]).mkdir(exist_ok=True)
    (tmp_path / other[:2] / other).write_bytes(path.read_bytes())

    assert await cache_on(tmp_path).get(other) is None
    assert await cache_on(tmp_path, secret=b"another secret!!").get(KEY) is None


async def test_old_results_are_forgotten(tmp_path):
    now = [0.0]
    limits = CacheLimits(max_age_s=10)
    cache = ResultCache(limits, secret=SECRET, clock=lambda: now[0])
    await cache.put(KEY, "text")

    now[0] = 11.0

    assert await cache.get(KEY) is None


async def test_memory_stays_within_its_bound_and_drops_the_longest_unused():
    cache = ResultCache(CacheLimits(memory_bytes=1000), secret=SECRET)
    for number in range(10):
        await cache.put(digest(number), "x" * 150)
        await cache.get(digest(0))

    assert await cache.get(digest(0)) is not None
    assert await cache.get(digest(1)) is None
    assert await cache.get(digest(9)) is not None


async def test_disk_stays_within_its_bound(tmp_path):
    limits = CacheLimits(memory_bytes=0, disk_bytes=10_000)
    cache = cache_on(tmp_path, limits=limits)

    for number in range(50):
        await cache.put(digest(number), "x" * 1000)

    assert sum(path.stat().st_size for path in tmp_path.glob("*/*")) <= 10_000


async def test_result_that_cannot_be_written_to_disk_is_answered_all_the_same(tmp_path):
    (tmp_path / KEY[:2]).touch()  # where a folder would have to be

    assert await cache_on(tmp_path).get_or_run(KEY, Counter("text")) == ("text", Found.MISS)


async def test_files_of_killed_writers_are_removed_and_those_being_written_are_not(tmp_path):
    (tmp_path / "ab").mkdir()
    for name, age_s in (("old.part", 3600), ("new.part", 0)):
        (tmp_path / "ab" / name).write_bytes(b"half")
        os.utime(tmp_path / "ab" / name, (time.time() - age_s,) * 2)

    cache_on(tmp_path)

    assert [path.name for path in tmp_path.glob("*/*")] == ["new.part"]


async def test_identical_work_in_flight_runs_once():
    cache, run = ResultCache(CacheLimits(), secret=SECRET), Counter()

    results = await asyncio.gather(*(cache.get_or_run(KEY, run) for _ in range(20)))

    assert {value for value, _ in results} == {"text"}
    assert run.runs == 1


async def test_caller_that_leaves_does_not_stop_the_run_of_others():
    cache, run = ResultCache(CacheLimits(), secret=SECRET), Counter()
    run.go.clear()
    first = asyncio.ensure_future(cache.get_or_run(KEY, run))
    second = asyncio.ensure_future(cache.get_or_run(KEY, run))
    await run.begun.wait()
    first.cancel()
    await asyncio.wait({first})

    run.go.set()

    assert await second == ("text", Found.MISS)


async def test_last_caller_that_leaves_stops_the_run():
    cache, run = ResultCache(CacheLimits(), secret=SECRET), Counter()
    run.go.clear()
    only = asyncio.ensure_future(cache.get_or_run(KEY, run))
    await run.begun.wait()

    only.cancel()
    await asyncio.wait({only})
    await run.cancelled.wait()

    run.go.set()
    assert await cache.get_or_run(KEY, run) == ("text", Found.MISS)


async def test_failure_is_not_stored():
    cache = ResultCache(CacheLimits(), secret=SECRET)

    async def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await cache.get_or_run(KEY, fail)

    assert await cache.get_or_run(KEY, Counter()) == ("text", Found.MISS)


def test_key_depends_on_every_part_but_not_on_the_order_of_options():
    assert digest("a", {"x": 1, "y": 2}) == digest("a", {"y": 2, "x": 1})
    assert len({digest("a", "b"), digest("ab"), digest("a", "b", "tenant"), digest("a")}) == 4


def test_secret_is_made_once_and_readable_by_its_owner_only(tmp_path):
    path = tmp_path / "var" / "secret"

    assert load_secret(path) == load_secret(path)
    assert len(load_secret(path)) == 32
    assert path.stat().st_mode & 0o077 == 0


def test_processes_that_start_together_agree_on_one_whole_secret(tmp_path):
    def load(number):
        together.wait()
        return load_secret(tmp_path / str(number // 8) / "secret")

    together = threading.Barrier(8)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(load, range(8 * 50)))

    assert all(len(each) == 32 for each in found)
    assert len(set(found)) == 50


WRITER = """
import asyncio, sys
from pathlib import Path
from tests.shared.test_cache import SECRET, cache_on
from shared.cache import digest
async def main():
    cache = cache_on(Path(sys.argv[1]))
    print("ready", flush=True)
    number = 0
    while True:
        await cache.put(digest(number % 20), [number % 20] * 50_000)
        number += 1
        print(number, flush=True)
asyncio.run(main())
"""


@pytest.mark.parametrize("rounds", [5])
def test_kill_in_mid_write_never_gives_a_wrong_answer(tmp_path, rounds):
    for round_number in range(rounds):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE
        ) as writer:
            for _ in range(1 + 7 * round_number):
                writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)

        for number, found in enumerate(asyncio.run(read_all(tmp_path))):
            assert found is None or found[0] == [number] * 50_000


async def read_all(folder):
    cache = cache_on(folder)
    return [await cache.get(digest(number)) for number in range(20)]
