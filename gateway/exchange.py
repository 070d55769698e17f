"""One inference request and its answer: facts, common headers, and how it ends."""

import logging
import time
from collections.abc import Mapping
from typing import Any

from gateway.begun import begun_of
from gateway.guard import Ending, Guard
from gateway.headers import own_of_response, response_headers
from gateway.outcome import WholeAnswer
from gateway.recorder import Answer, Recorder
from gateway.routing_table import Route
from gateway.upstream import Headers
from shared.errors import ClientGone, GantryError
from shared.http import Message, Scope, Send, request_id_of, send_json, send_problem

log = logging.getLogger(__name__)


class Exchange:
    """Facts of one request on its way through the data plane."""

    def __init__(self, scope: Scope, send: Send, route: Route) -> None:
        """Begin; the clock of ``Server-Timing`` starts here, if the request was not begun yet."""
        self.begun = begun = begun_of(scope)
        self.scope = scope
        self.route = route
        self.path: str = scope["path"]
        self.request_id = begun.request_id if begun else request_id_of(scope)
        self.status = ClientGone.status  # until a response starts
        self.deadline = 0.0  # loop time
        self.attempts = 0
        self.replica_url: str | None = None  # where the present attempt goes
        self.upstream_s = 0.0  # time spent waiting for services
        self.overhead_s = 0.0  # time until the answer began that was our own
        self.guard = Guard()
        self.is_done = False  # nothing more is to be sent
        self.is_event_stream = False
        self._send = send
        self._started = begun.started if begun else time.perf_counter()
        self._extra: list[tuple[bytes, bytes]] = []

    @property
    def has_started(self) -> bool:
        """Whether the response has begun."""
        return self.status != ClientGone.status

    @property
    def age_s(self) -> float:
        """Time since the request's head arrived, in s."""
        return time.perf_counter() - self._started

    @property
    def is_gone(self) -> bool:
        """Whether the client left before its answer was complete."""
        return self.guard.ending is Ending.CLIENT_LEFT

    def leave(self) -> None:
        """Stop all work on the request: the client has left."""
        if not self.is_done:
            self.guard.end(Ending.CLIENT_LEFT)

    def add_headers(self, headers: Headers) -> None:
        """Have the response carry headers, whatever the answer will be."""
        self._extra.extend(headers)

    async def start(self, status: int, headers: Headers) -> None:
        """Pass the head of a service's answer on."""
        kept, timing = response_headers(headers)
        self.is_event_stream = any(
            key == b"content-type" and value.startswith(b"text/event-stream") for key, value in kept
        )
        if self.is_event_stream:
            kept.append((b"x-accel-buffering", b"no"))
        self._add_common_headers(kept, timing)
        await self._start({"type": "http.response.start", "status": status, "headers": kept})

    async def answer(self, answer: WholeAnswer) -> None:
        """Pass a whole answer of a service on."""
        kept, timing = response_headers(answer.headers)
        self._add_common_headers(kept, timing)
        await self._start({"type": "http.response.start", "status": answer.status, "headers": kept})
        self.is_done = True
        await self._send({"type": "http.response.body", "body": answer.content})

    async def body(self, piece: bytes, *, more: bool) -> None:
        """Pass a piece of the answer on."""
        self.is_done = not more
        await self._send({"type": "http.response.body", "body": piece, "more_body": more})

    def record(self) -> Recorder:
        """Remember the answer from here on."""
        recorder = Recorder(self._send)
        self._send = recorder
        return recorder

    async def replay(self, answer: Answer) -> None:
        """Give an answer that another request with the same key got."""
        self.is_done = True
        common: list[tuple[bytes, bytes]] = []
        self._add_common_headers(common, b"")
        own = {key for key, _ in common}
        headers = [(key, value) for key, value in answer.headers if key not in own]
        headers += [*common, (b"idempotency-replayed", b"true")]
        await self._start(
            {"type": "http.response.start", "status": answer.status, "headers": headers}
        )
        await self._send({"type": "http.response.body", "body": answer.content})

    async def accepted(self, job_id: str, shown: Mapping[str, Any]) -> None:
        """Answer that the request has become a job (RFC 7240)."""
        self.is_done = True
        headers = {
            "location": f"/v1/jobs/{job_id}",
            "preference-applied": "respond-async",
            "retry-after": "1",
        }
        await send_json(self._send_own, 202, dict(shown), headers)

    async def fail(self, error: GantryError) -> None:
        """Answer with an error.

        If the answer has already begun, an event stream gets a last event with the error; any
        other answer is left incomplete, which closes the connection.
        """
        if not self.has_started:
            self.is_done = True
            await send_problem(
                self._send_own, error, request_id=self.request_id, instance=self.path
            )
        elif self.is_event_stream:
            event = (
                f'event: error\ndata: {{"code":"{error.code}","request_id":"{self.request_id}"}}'
            )
            await self.body(event.encode() + b"\n\n", more=False)

    async def _send_own(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message["headers"], (b"x-service", self.route.service.encode())]
            self._add_common_headers(headers, b"")
            await self._start({**message, "headers": headers})
        else:
            await self._send(message)

    async def _start(self, message: Message) -> None:
        self.status = message["status"]
        await self._send(message)

    def _add_common_headers(self, headers: list[tuple[bytes, bytes]], timing: bytes) -> None:
        age_s = time.perf_counter() - self._started
        self.overhead_s = max(0.0, age_s - self.upstream_s)
        headers += own_of_response(
            self.request_id, attempts=self.attempts, overhead_s=self.overhead_s, timing=timing
        )
        headers += self._extra
