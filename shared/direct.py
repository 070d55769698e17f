"""Routes answered in the HTTP protocol itself, for models that answer in microseconds.

An ASGI request costs a task, an event, a timer and a dozen calls and dictionaries, which is more
than such a model takes. Here a request whose body came whole with its headers goes straight from
the parser to a ``DirectRoute``, and its answer straight to the socket. Everything else is handed on
to the application, unchanged: other methods and types, bodies in pieces, pipelined requests,
clients that read slowly, whatever the route declines. So each limit has one place where it is
explained, and what is answered here keeps all of them: token, deadline, body, disconnect, drain.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from shared.deadlines import Deadlines
from shared.direct_protocol import CommonLines, DirectProtocol
from shared.errors import (
    BadRequest,
    ClientGone,
    DeadlineExceeded,
    GantryError,
    problem,
    retry_headers,
)
from shared.http import (
    PROBLEM_TYPE,
    encode_json,
    header_text,
    new_id,
    request_id_from,
    timeout_ms_from,
)
from shared.known_heads import KnownHeads
from shared.log import request_id_var
from shared.request_layer import UNFORESEEN, RequestLayer, RouteLimits
from shared.server_exchange import STATUS_LINES

log = logging.getLogger(__name__)

JSON_TYPE = b"application/json"


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
        "_protocol", "abandon", "deadline", "is_answered", "keep_alive", "path", "request_id",
        "started",
    )  # fmt: skip

    has_started = False  # it is answered at once

    def __init__(self, protocol: DirectProtocol, head: "_Head", request_id: str) -> None:
        """Open a call.

        Args:
            protocol: the connection.
            head: what is asked.
            request_id: the client's or a new one.
        """
        self._protocol, self.path, self.request_id = protocol, head.path, request_id
        self.started = started = time.monotonic()
        self.deadline = started + head.timeout_s  # absolute, on time.monotonic(), in s
        self.abandon: Callable[[], object] = _nothing  # told when nobody waits for the answer
        self.keep_alive = head.keep_alive  # the connection may be used again
        self.is_answered = False

    def answer(self, content: bytes, *, model: str, device: str, timing: str) -> None:
        """Answer 200 with a JSON body.

        Args:
            content: the body.
            model: for X-Model.
            device: for X-Device.
            timing: for Server-Timing.
        """
        lines = (
            f"{_lines_of_model(model, device)}content-length: {len(content)}\r\n"
            f"x-request-id: {self.request_id}\r\nserver-timing: {timing}\r\n"
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
        end = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        common = self.path.paths.common_lines(self._protocol.server_state)
        response = b"".join((STATUS_LINES[status], common, lines, end, content))
        self._protocol.respond(self, response)
        self._end(status)

    def _end(self, status: int) -> None:
        self.abandon = _nothing  # it may refer to what refers to this call: no cycle is left
        self.path.paths.close(self, status)


@dataclass(eq=False, slots=True)
class _Path:
    """One path and its limits."""

    name: str
    route: DirectRoute
    limits: RouteLimits
    paths: "DirectPaths"  # that it is one of


@dataclass(frozen=True, slots=True)
class _Head:
    """What the head of a request says that a direct route may answer."""

    path: _Path
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
        self._known: KnownHeads[_Head] = KnownHeads()
        self._deadlines: Deadlines[DirectCall] = Deadlines()
        self.common_lines = CommonLines(layer.fixed_headers)

    def __len__(self) -> int:
        """Number of direct routes."""
        return len(self._by_url)

    def find(self, url: bytes) -> _Path | None:
        """The route of a request's target, if it is a direct one."""
        return self._by_url.get(url)

    def takes(self, method: bytes, url: bytes) -> bool:
        """Whether a route is there for the request."""
        return method == b"POST" and url in self._by_url

    def start(self, protocol: DirectProtocol, body: bytes, seen: bytes) -> bool:
        """Begin to answer a request; False when the application must."""
        path = self._by_url[protocol.url]
        given = dict(reversed(protocol.headers))  # the first of equal names counts
        timeout_s = self._timeout_s(given, path, len(body))
        if timeout_s is None:
            return False
        head = _Head(path, timeout_s, protocol.keep_alive)
        request_id = given.get(b"x-request-id")
        if request_id is None:
            self._known.learn(seen, len(body), head)
        return self._begin(protocol, head, body, request_id_from(request_id))

    def start_again(self, protocol: DirectProtocol, seen: bytes) -> bool:
        """As ``start``, if ``seen`` is a whole request whose head is known byte for byte."""
        found = self._known.find(seen)
        return found is not None and self._begin(protocol, *found, new_id())

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

    def _begin(self, protocol: DirectProtocol, head: _Head, body: bytes, request_id: str) -> bool:
        call = DirectCall(protocol, head, request_id)
        self._layer.begun()
        protocol.take(call)
        try:
            is_taken = head.path.route.start(body, call)
        except Exception as error:  # noqa: BLE001 - the last handler of the process
            call.crash(error)
            return True
        if not is_taken:
            protocol.take(None)
            self._layer.ended()
        elif not call.is_answered:
            self._deadlines.add(call)
        return is_taken

    def close(self, call: DirectCall, status: int) -> None:
        """A call has ended."""
        self._deadlines.drop(call)
        layer, name = self._layer, call.path.name
        layer.ended()
        duration_s = time.monotonic() - call.started
        layer.count("POST", name, status, duration_s)
        if layer.is_logged(status):
            token = request_id_var.set(call.request_id)
            layer.log("POST", name, status, duration_s)
            request_id_var.reset(token)


@lru_cache(maxsize=64)  # a service has few models
def _lines_of_model(model: str, device: str) -> str:
    """Header lines that all good answers of a model carry."""
    return (
        f"content-type: application/json\r\nx-model: {header_text(model)}\r\nx-cache: off\r\n"
        f"x-device: {device}\r\n"
    )


def _nothing() -> None:
    pass
