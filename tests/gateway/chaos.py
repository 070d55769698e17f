"""Kills gateway and service at random while jobs run, and counts what became of the jobs.

``make chaos`` does it two hundred times and writes the counts to
``benchmarks/results/gateway/chaos.json``; the test suite does it with ten.
"""

import argparse
import asyncio
import hashlib
import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks/results/gateway"

SERVICE = """
import asyncio, hashlib, sys
import uvicorn
from shared.http import send_json
from tests.gateway.upstream import Upstream, read_body

async def handle(scope, receive, send):
    body = await read_body(receive)
    if body is None:
        return
    await asyncio.sleep(0.3)
    await send_json(send, 200, {"sha256": hashlib.sha256(body).hexdigest()})

uvicorn.run(Upstream(handle), port=int(sys.argv[1]), log_config=None, access_log=False)
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@dataclass
class Process:
    """A process that is started anew whenever it ends."""

    arguments: list
    environment: dict
    kills: int = 0
    _child: asyncio.subprocess.Process | None = None
    _keeper: asyncio.Task | None = None

    async def __aenter__(self):
        self._keeper = asyncio.ensure_future(self._keep())
        return self

    async def __aexit__(self, *_):
        self._keeper.cancel()
        await asyncio.gather(self._keeper, return_exceptions=True)
        if self._child is not None and self._child.returncode is None:
            self._child.kill()
            await self._child.wait()

    async def _keep(self):
        while True:
            self._child = await asyncio.create_subprocess_exec(
                *self.arguments, env={**os.environ, **self.environment},
                stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            await self._child.wait()

    def kill(self):
        if self._child is not None and self._child.returncode is None:
            self._child.send_signal(signal.SIGKILL)
            self.kills += 1


@dataclass
class Report:
    """What became of the accepted jobs."""

    kills: int
    statuses: Counter = field(default_factory=Counter)
    wrong_results: int = 0
    results_that_changed: int = 0
    attempts: Counter = field(default_factory=Counter)


async def insist(call):
    """Repeat a call until the gateway answers it with anything but a 5xx."""
    while True:
        try:
            answer = await call()
            if answer.status_code < 500:
                return answer
        except httpx.HTTPError:
            pass
        await asyncio.sleep(0.05)


async def run(kills, seed, folder):
    draw = random.Random(seed)
    port, service_port = free_port(), free_port()
    service = Process([sys.executable, "-c", SERVICE, str(service_port)], {})
    gateway = Process(
        [sys.executable, "-m", "gateway"],
        {
            "GATEWAY_PORT": str(port), "GATEWAY_ADMIN_PORT": "0", "GATEWAY_JOB_LEASE_S": "1",
            "GATEWAY_STATE_DIR": str(folder), "GATEWAY_PROBE_INTERVAL_S": "0.2",
            "GATEWAY_UPSTREAMS__WORK": f"http://127.0.0.1:{service_port}",
        },
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        for process in (service, gateway):
            await stack.enter_async_context(process)
        base = f"http://127.0.0.1:{port}"
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=base, timeout=10))
        accepted = {}
        for _ in range(kills):
            for _ in range(draw.randint(1, 3)):
                body = draw.randbytes(draw.choice((100, 3_000_000)))
                answer = await insist(
                    lambda body=body: client.post(
                        "/v1/echo", content=body, headers={"Prefer": "respond-async"}
                    )
                )
                if answer.status_code == 202:
                    accepted[answer.json()["id"]] = hashlib.sha256(body).hexdigest()
            await asyncio.sleep(draw.uniform(0, 0.8))
            draw.choice((service, gateway)).kill()
        return await collect(client, accepted, service.kills + gateway.kills)


async def collect(client, accepted, kills):
    report = Report(kills)
    for job_id, expected in accepted.items():
        shown = (await insist(lambda job_id=job_id: client.get(f"/v1/jobs/{job_id}"))).json()
        while shown["status"] in ("queued", "running"):
            await asyncio.sleep(0.1)
            shown = (await insist(lambda job_id=job_id: client.get(f"/v1/jobs/{job_id}"))).json()
        result = f"/v1/jobs/{job_id}/result"
        first = await insist(lambda path=result: client.get(path))
        again = await insist(lambda path=result: client.get(path))
        report.statuses[shown["status"]] += 1
        report.attempts[shown["attempts"]] += 1
        report.wrong_results += first.json() != {"sha256": expected}
        report.results_that_changed += first.content != again.content
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = asyncio.run(run(arguments.kills, arguments.seed, Path(folder)))
    shown = {
        "date": time.strftime("%Y-%m-%d"),
        "seed": arguments.seed,
        "minutes": round((time.monotonic() - began) / 60, 1),
        "kills": report.kills,
        "jobs_accepted": report.statuses.total(),
        "jobs_by_end": dict(report.statuses),
        "jobs_by_attempts": dict(sorted(report.attempts.items())),
        "wrong_results": report.wrong_results,
        "results_that_changed": report.results_that_changed,
    }
    text = json.dumps(shown, indent=2) + "\n"
    sys.stdout.write(text)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "chaos.json").write_text(text)
    is_good = set(report.statuses) == {"succeeded"}
    return 0 if is_good and not report.wrong_results and not report.results_that_changed else 1


if __name__ == "__main__":
    sys.exit(main())
