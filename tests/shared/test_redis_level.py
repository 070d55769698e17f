import logging
import shutil
import socket
import subprocess

import pytest

from shared.cache import CacheLimits, Found, ResultCache, digest
from tests.shared.resp_server import resp_server

pytest.importorskip("redis", reason="a requirement of shared/; `make .venv` installs it")

from shared.redis_level import PAUSE_S, RedisLevel  # noqa: E402 - needs the library

SECRET = b"0123456789abcdef"
KEY = digest("content", {"language": "en"})


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


def cache_at(url, *, secret=SECRET, **options):
    level = RedisLevel(url, prefix="gantry:test", max_age_s=60, **options)
    return ResultCache(CacheLimits(), secret=secret, second=level)


@pytest.fixture
def server():
    with resp_server() as server:
        yield server


async def test_result_of_one_replica_is_a_hit_in_another(server):
    await cache_at(server.url).put(KEY, {"text": "a", "words": [1.5, None]})

    found = await cache_at(server.url).get(KEY)

    assert found == ({"text": "a", "words": [1.5, None]}, Found.REDIS)


async def test_result_expires_by_itself(server):
    await cache_at(server.url).put(KEY, "text")

    stored = [each for each in server.commands if each[0] == b"SET"]

    assert [each[1] for each in stored] == [b"gantry:test:" + KEY.encode()]
    assert [each[3:] for each in stored] == [(b"PX", b"60000")]


async def test_what_others_wrote_is_a_miss(server):
    await cache_at(server.url).put(KEY, "text")
    name = b"gantry:test:" + KEY.encode()
    server.values[b"gantry:test:" + digest("other").encode()] = server.values[name]

    assert await cache_at(server.url, secret=b"another secret!!").get(KEY) is None
    assert await cache_at(server.url).get(digest("other")) is None

    server.values[name] = b"forged"
    assert await cache_at(server.url).get(KEY) is None


async def test_large_result_is_not_stored(server):
    await cache_at(server.url, max_entry_bytes=100).put(KEY, "x" * 200)

    assert server.values == {}


async def test_server_that_is_gone_is_a_miss_that_is_logged_once(caplog):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    clock = Clock()
    cache = cache_at(f"redis://127.0.0.1:{port}", clock=clock)

    with caplog.at_level(logging.INFO, "shared.redis_level"):
        for _ in range(3):
            await cache.put(KEY, "text")
            assert await cache.get(digest("other")) is None
            clock.now_s += PAUSE_S + 1

    assert [each.levelname for each in caplog.records] == ["WARNING"]
    assert await cache.get(KEY) == ("text", Found.MEMORY)


async def test_server_that_is_gone_is_left_alone_for_a_while_and_then_asked_again():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    clock = Clock()
    cache = cache_at(f"redis://127.0.0.1:{port}", clock=clock)
    await cache.put(KEY, "text")

    with resp_server(port) as server:
        await cache.put(KEY, "text")
        left_alone = list(server.commands)
        clock.now_s += PAUSE_S + 1
        await cache.put(KEY, "text")

        assert left_alone == []
        assert await cache_at(server.url).get(KEY) == ("text", Found.REDIS)


async def test_server_that_hangs_is_a_miss(caplog):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        cache = cache_at(f"redis://127.0.0.1:{silent.getsockname()[1]}")

        assert await cache.get(KEY) is None

    assert "goes on without Redis: TimeoutError" in caplog.text


@pytest.fixture
def real_server(tmp_path):
    """URL of a Redis server of this test's own, and its process."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server not found; `make deps` installs it")
    path = tmp_path / "redis.sock"
    command = [program, "--port", "0", "--unixsocket", path, "--save", "", "--dir", tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        while "ready to accept connections" not in (line := server.stdout.readline()).lower():
            assert line, "the server ended"
        yield f"unix://{path}", server
        server.terminate()


@pytest.mark.redis
async def test_real_server_keeps_results_until_it_goes(real_server):
    url, process = real_server
    await cache_at(url).put(KEY, [1, 2])

    assert await cache_at(url).get(KEY) == ([1, 2], Found.REDIS)

    process.terminate()
    process.wait()
    assert await cache_at(url).get(KEY) is None


@pytest.mark.redis
def test_real_server_forgets_what_is_too_old(real_server):
    level = RedisLevel(real_server[0], prefix="gantry:test", max_age_s=0.001)
    level.put("brief", b"x")

    while level.get("brief") is not None:
        pass
