"""A small service in plain ASGI whose behaviour tests choose; served on a real port."""

import asyncio
import json
from dataclasses import dataclass, field

from shared.http import send_json


def offered(path="/v1/echo", method="POST", **more):
    limits = {"max_body_bytes": 2**30, "default_deadline_ms": 10_000}
    return {"path": path, "method": method, **limits, **more}


@dataclass
class Upstream:
    """Answers ``/readyz`` and ``/info`` as a service does, and all else by ``handler``."""

    handler: object = None  # async (scope, receive, send)
    name: str = "work"
    version: str = "1"
    paths: list = field(default_factory=lambda: [offered()])
    ready: bool = True
    queue_items: int = 0
    reason: str | None = None
    requests: list = field(default_factory=list)  # (path, headers) of what reached the handler
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    openapi: dict = field(default_factory=dict)

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return
        if scope["path"] == "/readyz":
            engine = {"name": "e", "phase": "ready", "reason": self.reason}
            body = {"ready": self.ready, "service": self.name, "version": self.version,
                    "queue": {"items": self.queue_items}, "engines": [engine],
                    "memory": {"gpu_used_bytes": 5, "gpu_utilisation": 0.5}}  # fmt: skip
            await send_json(send, 200 if self.ready else 503, body)
        elif scope["path"] == "/info":
            body = {"service": self.name, "version": self.version, "openapi": self.openapi,
                    "paths": self.paths, "models": [{"id": "m", "engine": "e", "status": "ready",
                                                     "device": "cpu", "demo": True}]}  # fmt: skip
            await send_json(send, 200, body)
        else:
            headers = {key.decode(): value.decode() for key, value in scope["headers"]}
            self.requests.append((scope["path"], headers))
            self.arrived.set()
            await (self.handler or answer_with_facts)(scope, receive, send)


async def read_body(receive):
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def answer_with_facts(scope, receive, send):
    """Say what arrived: method, path, query, headers and the size of the body."""
    body = await read_body(receive)
    facts = {
        "method": scope["method"],
        "path": scope["path"],
        "query": scope["query_string"].decode(),
        "headers": [[key.decode(), value.decode()] for key, value in scope["headers"]],
        "size": len(body),
        "body": body[:100].decode("latin-1"),
    }
    await send_json(send, 200, facts, {"server-timing": "inference;dur=7"})


async def answer_problem(send, status, code):
    await send_json(send, status, {"code": code, "detail": code},
                    {"retry-after": "7"}, "application/problem+json")  # fmt: skip


def event_data(line):
    return json.loads(line.removeprefix("data: "))
