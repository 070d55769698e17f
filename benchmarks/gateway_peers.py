"""Peers of the gateway benchmark: the plain FastAPI + httpx form, and a stream of events.

Run by uvicorn as ``benchmarks.gateway_peers:fastapi_httpx`` and ``…:events``.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from shared.http import Receive, Scope, Send

UPSTREAM = os.environ.get("BENCH_UPSTREAM", "http://127.0.0.1:9")
FRAMES = 100
FRAME_INTERVAL_S = 0.01


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with httpx.AsyncClient(base_url=UPSTREAM, timeout=60) as client:
        app.state.client = client
        yield


fastapi_httpx = FastAPI(lifespan=_lifespan)


@fastapi_httpx.api_route("/v1/{path:path}", methods=["GET", "POST"])
async def proxy(request: Request, path: str) -> StreamingResponse:
    """Pass a request on, as tutorials do."""
    client: httpx.AsyncClient = request.app.state.client
    kept = {key: value for key, value in request.headers.items() if key != "host"}
    outgoing = client.build_request(
        request.method, f"/v1/{path}", headers=kept, content=await request.body()
    )
    answer = await client.send(outgoing, stream=True)
    headers = {key: answer.headers[key] for key in ("content-type",) if key in answer.headers}

    async def pieces() -> AsyncIterator[bytes]:
        async for piece in answer.aiter_raw():
            yield piece
        await answer.aclose()

    return StreamingResponse(pieces(), answer.status_code, headers)


async def events(scope: Scope, receive: Receive, send: Send) -> None:
    """A service that sends a frame every ``FRAME_INTERVAL_S`` seconds."""
    if scope["type"] != "http":
        return
    if scope["path"] in ("/readyz", "/info"):
        await _describe(send)
        return
    head = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    for number in range(FRAMES):
        await asyncio.sleep(FRAME_INTERVAL_S)
        frame = b"data: %d\n\n" % number
        await send({"type": "http.response.body", "body": frame, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _describe(send: Send) -> None:
    body = (
        b'{"ready":true,"service":"events","version":"1","paths":[{"path":"/v1/events",'
        b'"method":"POST","max_body_bytes":1000,"default_deadline_ms":60000}]}'
    )
    head = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})
