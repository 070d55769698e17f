import asyncio
import os
import signal
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from shared.http import send_json
from shared.testing import running_server
from tests.gateway.upstream import Upstream


def free_ports(count):
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


@asynccontextmanager
async def gateway_process(tmp_path, **variables):
    port, admin_port = free_ports(2)
    environment = {
        **os.environ, "GATEWAY_PORT": str(port), "GATEWAY_ADMIN_PORT": str(admin_port),
        "GATEWAY_STATE_DIR": str(tmp_path), **variables,
    }  # fmt: skip
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield child, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin_port}"
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def answer_of(url):
    """The first answer of a process that is starting."""
    transport = httpx.AsyncHTTPTransport(retries=50)  # connection attempts, with back-off
    async with asyncio.timeout(60), httpx.AsyncClient(transport=transport) as client:
        return await client.get(url)


async def test_process_serves_both_listeners_and_ends_on_sigterm(tmp_path):
    async with gateway_process(tmp_path) as (child, public, admin):
        assert (await answer_of(f"{public}/livez")).status_code == 200
        assert (await answer_of(f"{admin}/admin/services")).json() == []

        child.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await child.wait() in (0, -signal.SIGTERM)


def peak_memory_bytes(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise LookupError("VmHWM")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_large_upload_to_a_slow_service_does_not_grow_the_gateway(tmp_path):
    size, block = 128 * 2**20, 2**16

    async def read_slowly(scope, receive, send):
        taken = 0
        while True:
            message = await receive()
            taken += len(message["body"])
            if not message["more_body"]:
                break
            if taken % 2**23 < block:
                await asyncio.sleep(0.02)  # lets the client run ahead, if the gateway lets it
        await send_json(send, 200, taken)

    async def pieces():
        for _ in range(size // block):
            yield bytes(block)

    async with (
        running_server(Upstream(read_slowly)) as url,
        gateway_process(tmp_path, GATEWAY_UPSTREAMS__WORK=url) as (child, public, _admin),
        httpx.AsyncClient(base_url=public, timeout=120) as client,
    ):
        await answer_of(f"{public}/livez")
        async with asyncio.timeout(30):
            while (await client.post("/v1/echo", content=b"x")).status_code != 200:
                pass
        before = peak_memory_bytes(child.pid)
        answer = await client.post("/v1/echo", content=pieces())
        grown = peak_memory_bytes(child.pid) - before

    assert answer.json() == size
    assert grown < 16 * 2**20


async def test_connection_that_sends_no_whole_head_is_closed(tmp_path):
    async with gateway_process(tmp_path, GATEWAY_HEAD_TIMEOUT_S="0.2") as (_, public, _admin):
        await answer_of(f"{public}/livez")
        port = int(public.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ")

        async with asyncio.timeout(20):
            assert await reader.read() == b""
        writer.close()
