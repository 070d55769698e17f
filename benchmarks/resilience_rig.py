"""A gateway, replicas that can be killed and a client that keeps its pace: ``bench_resilience``."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.ports import free_port
from gateway.http1_client import Http1Client
from gateway.upstream import UpstreamRequest
from shared.errors import UpstreamBroken

DEADLINE_MS = 60_000
BODY = b"x" * 20_000


@dataclass
class Process:
    """A server that can be killed, stopped and started anew at its address."""

    command: list[str]
    port: int
    environ: dict[str, str]
    child: asyncio.subprocess.Process | None = None

    @property
    def origin(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it; returns before it listens."""
        self.child = await asyncio.create_subprocess_exec(
            *self.command, env={**os.environ, **self.environ},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.child is not None
        self.child.send_signal(number)

    async def end(self) -> None:
        """Kill it."""
        if self.child is not None and self.child.returncode is None:
            self.child.kill()
            await self.child.wait()


@dataclass(frozen=True)
class Answer:
    """What came of one request."""

    due: float  # loop time at which it was to be sent
    status: int  # 0: the connection broke
    latency_s: float  # from then on
    attempts: int
    has_advice: bool  # carries Retry-After


@dataclass
class Rig:
    """A gateway, its replicas and a client."""

    gateway: Process
    replicas: list[Process]
    client: Http1Client

    async def ask(self, target: str, body: bytes | AsyncIterator[bytes] | None = None) -> Answer:
        """Send one request and read its answer."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        method = "GET" if body is None else "POST"
        headers = [(b"x-request-timeout-ms", b"%d" % DEADLINE_MS)]
        request = UpstreamRequest(method, self.gateway.origin, target.encode(), headers, body)
        try:
            response = await self.client.send(request)
            async for _ in response.chunks():
                pass
        except UpstreamBroken:
            return Answer(due, 0, loop.time() - due, 0, has_advice=False)
        shown = dict(response.headers)
        return Answer(
            due, response.status, loop.time() - due, int(shown.get(b"x-attempts", b"0")),
            has_advice=b"retry-after" in shown,
        )  # fmt: skip

    async def offer(self, rate: float, seconds: float, target: str = "/v1/echo") -> list[Answer]:
        """Send requests at a fixed rate; returns when the last one is answered."""
        loop = asyncio.get_running_loop()
        began, asking = loop.time(), []
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
            asking.append(asyncio.ensure_future(self.ask(target, BODY)))
        return list(await asyncio.gather(*asking))

    async def ready(self, count: int) -> None:
        """Wait until the gateway sees that many replicas ready."""
        while True:
            request = UpstreamRequest("GET", self.gateway.origin, b"/v1/services", ())
            try:
                response = await self.client.send(request)
                shown = json.loads(b"".join([piece async for piece in response.chunks()]))
                states = [each["state"] for each in shown["services"][0]["replicas"]]
                if states.count("ready") >= count:
                    return
            except (UpstreamBroken, LookupError):
                pass
            await asyncio.sleep(0.1)


@asynccontextmanager
async def rig(folder: Path, replicas: int = 2, **service: object) -> AsyncIterator[Rig]:
    """A gateway before replicas with settings ``BENCH_…``."""
    command = [sys.executable, "-m", "uvicorn", "benchmarks.resilience_service:app",
               "--no-access-log", "--log-level", "critical", "--lifespan", "off"]  # fmt: skip
    environ = {f"BENCH_{name.upper()}": str(value) for name, value in service.items()}
    ports = [free_port() for _ in range(replicas)]
    behind = [Process([*command, "--port", str(port)], port, environ) for port in ports]
    at = free_port()
    gateway = Process(
        [sys.executable, "-m", "gateway"], at,
        {"GATEWAY_PORT": str(at), "GATEWAY_ADMIN_PORT": "0", "GATEWAY_ACCESS_LOG": "off",
         "GATEWAY_STATE_DIR": str(folder), "GATEWAY_SPOOL_DIR": str(folder),
         "GATEWAY_UPSTREAMS__WORK": ",".join(each.origin for each in behind)},
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        for process in (*behind, gateway):
            stack.push_async_callback(process.end)
            await process.start()
        client = Http1Client(connect_timeout_s=5.0, keepalive_s=2.0)
        stack.push_async_callback(client.close)
        running = Rig(gateway, behind, client)
        async with asyncio.timeout(60):
            await running.ready(replicas)
        yield running


def quantile_ms(answers: list[Answer], share: float) -> float:
    """A quantile of the latencies."""
    ordered = sorted(each.latency_s for each in answers)
    return round(ordered[int((len(ordered) - 1) * share)] * 1000, 1) if ordered else 0.0


def summary(answers: list[Answer]) -> dict[str, Any]:
    """Counts and times of a run."""
    failed = [each for each in answers if each.status != 200]
    return {
        "requests": len(answers),
        "failed": len(failed),
        "failed_by_status": dict(Counter(str(each.status) for each in failed)),
        "sent_again": sum(each.attempts > 1 for each in answers),
        "p50_ms": quantile_ms(answers, 0.5),
        "p99_ms": quantile_ms(answers, 0.99),
        "longest_ms": quantile_ms(answers, 1.0),
    }
