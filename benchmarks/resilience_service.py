"""A service with a known capacity, for ``bench_resilience``; run by uvicorn.

``BENCH_PLACES`` requests are worked on at a time, each for ``BENCH_SERVICE_S`` seconds; as many
again wait, and what is beyond that is refused as our services do. The body is read at
``BENCH_READ_BYTES_PER_S`` at most, if that is set. ``?sleep_s=`` works for longer.
"""

import asyncio
import os
from urllib.parse import parse_qs

from shared.errors import QueueFull
from shared.http import Receive, Scope, Send, send_json, send_problem

PLACES = int(os.environ.get("BENCH_PLACES", "4"))
SERVICE_S = float(os.environ.get("BENCH_SERVICE_S", "0.02"))
WAITING = int(os.environ.get("BENCH_WAITING", "1000000"))
READ_BYTES_PER_S = float(os.environ.get("BENCH_READ_BYTES_PER_S", "0"))
OFFER = {
    "path": "/v1/echo",
    "method": "POST",
    "max_body_bytes": 4 * 2**30,
    "default_deadline_ms": 600_000,
}
DESCRIPTION = {"ready": True, "service": "work", "version": "1", "paths": [OFFER]}


class Work:
    """The service."""

    def __init__(self) -> None:
        """Start idle."""
        self._places = asyncio.Semaphore(PLACES)
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request with the number of bytes that came."""
        if scope["type"] != "http":
            return
        if scope["path"] != OFFER["path"]:
            await send_json(send, 200, DESCRIPTION)
            return
        size_bytes = await _read(receive)
        if self._waiting >= WAITING:
            error = QueueFull("busy", retry_after_s=1.0)
            await send_problem(send, error, request_id="", instance=scope["path"])
            return
        self._waiting += 1
        async with self._places:
            self._waiting -= 1
            asked = parse_qs(scope["query_string"].decode()).get("sleep_s", [str(SERVICE_S)])
            await asyncio.sleep(float(asked[0]))
        await send_json(send, 200, {"size": size_bytes, "pid": os.getpid()})


async def _read(receive: Receive) -> int:
    loop = asyncio.get_running_loop()
    began, taken = loop.time(), 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return taken
        taken += len(message.get("body", b""))
        if READ_BYTES_PER_S:
            await asyncio.sleep(max(0.0, began + taken / READ_BYTES_PER_S - loop.time()))
        if not message.get("more_body", False):
            return taken


app = Work()
