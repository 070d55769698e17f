"""Routes answered in the HTTP protocol itself, for models that answer in microseconds.

An ASGI request costs a task, an event, a timer and a dozen calls and dictionaries, which is more
than such a model takes. Here a request whose body came whole with its headers goes straight from
the parser to a ``DirectRoute``, and its answer straight to the socket. Everything else is handed on
to the application, unchanged: other methods and types, bodies in pieces, pipelined requests,
clients that read slowly, whatever the route declines. So each limit has one place where it is
explained, and what is answered here keeps all of them: token, deadline, body, disconnect, drain.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

from uvicorn.config import Config
from uvicorn.server import ServerState

from shared.errors import (
    BadRequest,
    ClientGone,
    DeadlineExceeded,
    GantryError,
    problem,
    retry_headers,
)
from shared.http import PROBLEM_TYPE, encode_json, header_text, request_id_from, timeout_ms_from
from shared.log import request_id_var
from shared.request_layer import UNFORESEEN, RequestLayer, RouteLimits
from shared.server_exchange import STATUS_LINES
from shared.server_protocol import ServerProtocol

log = logging.getLogger(__name__)

JSON_TYPE = b"application/json"
MOST_KNOWN = 256  # heads
LONGEST_KNOWN = 1024  # bytes of a head
Header = tuple[bytes, bytes]


class DirectRoute(Protocol):
    """Answers requests of one path."""

    def start(self, body: bytes, call: "DirectCall") -> bool:
        """Begin to answer.

        Args:
            body: the whole body, JSON by its content type.
            call: takes the answer, now or later, once.

        Returns:
            False to hand the request on to the application; the call is not used then.
        """
        ...


class DirectCall:
    """One request and where its answer goes."""

    __slots__ = (
        "_paths", "_protocol", "abandon", "deadline", "has_started", "is_answered", "keep_alive",
        "path", "request_id", "started",
    )  # fmt: skip

    def __init__(self, protocol: "DirectProtocol", path: "_Path", *, request_id: str) -> None:
        """Open a call.

        Args:
            protocol: the connection.
            path: what is asked.
            request_id: the client's or a new one.
        """
        self._protocol, self._paths = protocol, path.paths
        self.path, self.request_id = path, request_id
        self.started = time.monotonic()
        self.deadline = inf  # absolute, on time.monotonic(), in s
        self.abandon: Callable[[], None] = _nothing  # told when nobody waits for the answer
        self.keep_alive = True  # the connection may be used again
        self.has_started = self.is_answered = False  # it is answered at once

    def answer(self, content: bytes, *, model: str, device: str, timing: str) -> None:
        """Answer 200 with a JSON body.

        Args:
            content: the body.
            model: for X-Model.
            device: for X-Device.
            timing: for Server-Timing.
        """
        lines = (
            f"content-type: application/json\r\ncontent-length: {len(content)}\r\n"
            f"x-request-id: {self.request_id}\r\nx-model: {header_text(model)}\r\nx-cache: off\r\n"
            f"x-device: {device}\r\nserver-timing: {timing}\r\n"
        )
        self._respond(200, lines.encode("latin-1"), content)

    def fail(self, error: GantryError) -> None:
        """Answer with an error."""
        path = self.path.name
        content = encode_json(problem(error, request_id=self.request_id, instance=path))
        headers = {
            "content-type": PROBLEM_TYPE,
            "content-length": str(len(content)),
            "x-request-id": self.request_id,
            **retry_headers(error),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._respond(error.status, lines.encode("latin-1"), content)

    def crash(self, error: Exception) -> None:
        """Answer 500 without the text of an unforeseen fault; log it whole."""
        log.error("unforeseen error", exc_info=error)
        self.fail(GantryError(UNFORESEEN))

    def expire(self) -> None:
        """Answer that the time is over."""
        self.abandon()
        self.fail(DeadlineExceeded("the request's time ran out before it was answered"))

    def disconnect(self) -> None:
        """The client has gone."""
        self.is_answered = True
        self.abandon()
        self._end(ClientGone.status)

    def _respond(self, status: int, lines: bytes, content: bytes) -> None:
        if self.is_answered:
            return
        self.is_answered = True
        self._protocol.respond(self, status, lines, content)
        self._end(status)

    def _end(self, status: int) -> None:
        self.abandon = _nothing  # it may refer to what refers to this call: no cycle is left
        self._paths.close(self, status)


class _Path:
    """One path and its limits."""

    __slots__ = ("limits", "name", "paths", "route")

    def __init__(
        self, name: str, route: DirectRoute, limits: RouteLimits, paths: "DirectPaths"
    ) -> None:
        self.name, self.route, self.limits, self.paths = name, route, limits, paths


@dataclass(frozen=True, slots=True)
class _Head:
    """What the head of a request says that a direct route may answer."""

    path: _Path
    body_bytes: int
    timeout_s: float
    keep_alive: bool


class DirectPaths:
    """The direct routes of an application, and the calls that are being answered."""

    def __init__(self, routes: Mapping[str, DirectRoute], layer: RequestLayer) -> None:
        """Offer routes.

        Args:
            routes: by path.
            layer: counts and logs requests; tells limits, token and headers.
        """
        self._layer = layer
        self._by_url = {
            name.encode(): _Path(name, route, layer.limits_of(name), self)
            for name, route in routes.items()
        }
        self._known: dict[bytes, _Head] = {}  # by the bytes of the head
        self._open: dict[DirectCall, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf
        self._head, self._head_of = b"", _NO_HEADERS

    def __len__(self) -> int:
        """Number of direct routes."""
        return len(self._by_url)

    def find(self, url: bytes) -> _Path | None:
        """The route of a request's target, if it is a direct one."""
        return self._by_url.get(url)

    def head(self, server_headers: list[Header]) -> bytes:
        """Header lines that each response carries; the server makes a new list each second."""
        if server_headers is not self._head_of:
            lines = [*server_headers, *self._layer.fixed_headers]
            self._head = b"".join(b"%b: %b\r\n" % line for line in lines)
            self._head_of = server_headers
        return self._head

    def start(self, protocol: "DirectProtocol", path: _Path, body: bytes, seen: bytes) -> bool:
        """Begin to answer a request; False when the application must.

        Args:
            protocol: the connection.
            path: what is asked.
            body: all of it.
            seen: what the network brought, if it begins with the head; else empty.
        """
        given = dict(reversed(protocol.headers))  # the first of equal names counts
        timeout_s = self._timeout_s(given, path, len(body))
        if timeout_s is None:
            return False
        head = _Head(path, len(body), timeout_s, protocol.keep_alive)
        request_id = given.get(b"x-request-id")
        if request_id is None:
            self._learn(seen, head)
        return self._begin(protocol, head, body, request_id_from(request_id))

    def start_again(self, protocol: "DirectProtocol", seen: bytes) -> bool:
        """As ``start``, for a head that was answered before, byte for byte, and all of its body.

        A client that keeps its connection sends the same head again and again; to parse and check
        it each time would cost as much as to decode the body.
        """
        end = seen.find(b"\r\n\r\n") + 4
        head = self._known.get(seen[:end])
        if head is None or len(seen) != end + head.body_bytes:
            return False
        return self._begin(protocol, head, seen[end:], request_id_from(None))

    def _learn(self, seen: bytes, head: _Head) -> None:
        end = seen.find(b"\r\n\r\n") + 4
        if len(seen) != end + head.body_bytes or end > LONGEST_KNOWN:
            return  # in chunks, or one of several
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[seen[:end]] = head

    def _timeout_s(
        self, given: Mapping[bytes, bytes], path: _Path, body_bytes: int
    ) -> float | None:
        """Time of a request; None if it is not for a direct route."""
        if given.get(b"content-type") != JSON_TYPE or body_bytes > path.limits.max_body_bytes:
            return None
        if b"expect" in given or not self._layer.is_authorised(given.get(b"x-internal-token")):
            return None
        try:
            timeout_ms = timeout_ms_from(
                given.get(b"x-request-timeout-ms"), path.limits.default_deadline_ms
            )
        except BadRequest:
            return None
        return timeout_ms / 1000

    def _begin(self, protocol: "DirectProtocol", head: _Head, body: bytes, request_id: str) -> bool:
        call = DirectCall(protocol, head.path, request_id=request_id)
        call.keep_alive = head.keep_alive
        call.deadline = call.started + head.timeout_s
        self._layer.begun()
        self._open[call] = None
        protocol.take(call)
        try:
            is_taken = head.path.route.start(body, call)
        except Exception as error:  # noqa: BLE001 - the last handler of the process
            call.crash(error)
            return True
        if not is_taken:
            protocol.take(None)
            del self._open[call]
            self._layer.ended()
        elif call.deadline < self._timer_at and not call.is_answered:
            self._set_timer(call.deadline)
        return is_taken

    def close(self, call: DirectCall, status: int) -> None:
        """A call has ended."""
        self._open.pop(call, None)
        self._layer.ended()
        duration_s = time.monotonic() - call.started
        token = request_id_var.set(call.request_id)  # for the line in the log
        self._layer.record("POST", call.path.name, status, duration_s)
        request_id_var.reset(token)

    def _set_timer(self, at: float) -> None:
        """Wake at the earliest deadline; one timer serves all calls."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        delay_s = max(0.0, at - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_time)

    def _on_time(self) -> None:
        self._timer, self._timer_at = None, inf
        now = time.monotonic()
        for call in [each for each in self._open if each.deadline <= now]:
            call.expire()
        if self._open:
            self._set_timer(min(each.deadline for each in self._open))


class DirectProtocol(ServerProtocol):
    """A connection that answers direct routes by itself.

    What it adds happens within one ``data_received``: a request is held back until its body is
    whole, and handed on at the end of the call if it is not.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Speak for one connection; the application's ``direct`` holds its ``DirectPaths``."""
        super().__init__(config, server_state, app_state, _loop)
        self.keep_alive = True  # of the request being held
        self._paths: DirectPaths = config.app.direct  # type: ignore[union-attr] # see serve
        self._held: _Path | None = None
        self._held_body: list[bytes] = []
        self._seen = b""  # what the network brought, if a request begins with it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; each answer leaves at once, so that its client works while others are answered."""
        super().connection_made(transport)
        # uvloop keeps what is below the limit until all that is due now has run.
        self.transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless a known head says it all."""
        if self.is_idle and self._paths.start_again(self, data):
            return
        self._seen = data if self.is_idle else b""
        super().data_received(data)
        if self._held is not None and not self.transport.is_closing():
            self._hand_on(is_whole=False)

    def _open(self) -> None:
        """Hold a request that a direct route may answer."""
        path = self._paths.find(self._url)
        if path is None or not self._is_plain():
            super()._open()
            return
        self._held, self._held_body = path, []
        self.keep_alive = self._parser.should_keep_alive()

    def _is_plain(self) -> bool:
        """Whether nothing about the request asks for more than a direct route does."""
        parser = self._parser
        return (
            self._answering is None
            and parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and not parser.should_upgrade()
            and self.may_write is None
        )

    def on_body(self, body: bytes) -> None:
        """Keep a part of a held body."""
        if self._held is None:
            super().on_body(body)
        else:
            self._held_body.append(body)

    def on_message_complete(self) -> None:
        """Answer a held request, or hand it on."""
        if self._held is None:
            super().on_message_complete()
        elif self._paths.start(self, self._held, b"".join(self._held_body), self._seen):
            self._held = None
        else:
            self._hand_on(is_whole=True)

    def take(self, call: DirectCall | None) -> None:
        """Let a call stand for the request being answered; None if the route has declined it."""
        self._answering, self._closes_at = call, inf

    def respond(self, call: DirectCall, status: int, lines: bytes, content: bytes) -> None:
        """Write a whole response."""
        if self.transport.is_closing():
            return
        end = b"\r\n" if call.keep_alive else b"connection: close\r\n\r\n"
        head = self._paths.head(self.server_state.default_headers)
        self.transport.write(b"".join((STATUS_LINES[status], head, lines, end, content)))
        self.answered(call)

    def _hand_on(self, *, is_whole: bool) -> None:
        """Have the application answer what was held."""
        self._held = None
        super()._open()
        for piece in self._held_body:
            super().on_body(piece)
        if is_whole:
            super().on_message_complete()


_NO_HEADERS: list[Header] = []


def _nothing() -> None:
    pass
