"""One connection of a client: HTTP/1.1 parsed by httptools (llhttp), handed to the app as ASGI.

It takes the place of uvicorn's own protocol under uvicorn's server, in services and gateway alike,
because their hot path lives here: head and body of an answer leave in one write, and a request
costs no timer. It also bounds what uvicorn's leaves open: the size of a request's head and the time
that one may take. WebSockets are not spoken.
"""

import asyncio
import json
import urllib.parse
from collections import deque
from http import HTTPStatus
from math import inf
from typing import Any, Protocol, cast

import httptools
from uvicorn import Config
from uvicorn.server import ServerState

from shared.errors import BadRequest, GantryError, problem
from shared.http import PROBLEM_TYPE, AsgiApp, Scope, request_id_of
from shared.server_exchange import ServerExchange

MAX_HEAD_BYTES = 64 * 1024
LINGER_S = 5.0  # for the rest of a body whose request was answered early
READ_AHEAD_BYTES = 64 * 1024  # of a body, before reading from the network pauses


class HeadTooLarge(BadRequest):
    """The request's head is larger than any reasonable one."""

    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE.value
    code = "head_too_large"


class Answering(Protocol):
    """What a connection asks of the request that is being answered on it."""

    keep_alive: bool  # the connection may be used again
    has_started: bool  # the answer has begun

    def disconnect(self) -> None:
        """The client is gone."""
        ...


class ServerProtocol(asyncio.Protocol):
    """A connection and the requests on it, answered one after the other."""

    head_timeout_s = 10.0

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Wait to be connected; uvicorn's server calls this for each connection."""
        if not config.loaded:
            config.load()
        self.loop = _loop or asyncio.get_running_loop()
        self.server_state = server_state
        self.transport: asyncio.Transport
        self.may_write: asyncio.Future[None] | None = None  # while the transport's buffer is full
        self._app = cast(AsgiApp, config.loaded_app)
        self._app_state = app_state
        self._keep_alive_s = config.timeout_keep_alive
        self._parser = httptools.HttpRequestParser(self)
        self.url = b""  # of the request being read
        self.headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._is_in_head = False
        self._is_refused = False  # nothing more is parsed
        self._closes_at = inf  # loop time at which it has been idle or slow for too long
        self._timer: asyncio.TimerHandle | None = None  # looks whether it has
        self._timer_at = inf
        self._reading: ServerExchange | None = None  # whose body is being read
        self._answering: Answering | None = None
        self._next: deque[ServerExchange] = deque()  # pipelined behind it
        self._is_paused = False  # nothing is read from the network
        self._addresses: dict[str, Any] = {}

    # What the server and the event loop say

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; the first head has to come in time."""
        # uvloop's transports do not inherit from asyncio's.
        self.transport = cast(asyncio.Transport, transport)
        self.server_state.connections.add(self)  # type: ignore[arg-type]  # names its own classes
        is_tls = transport.get_extra_info("sslcontext") is not None
        self._addresses = {
            "server": _address(transport.get_extra_info("sockname")),
            "client": _address(transport.get_extra_info("peername")),
            "scheme": "https" if is_tls else "http",
        }
        self._close_after(self.head_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell all who work for the client that it is gone."""
        self.server_state.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        self.resume_writing()
        for exchange in (self._answering, *self._next):
            if exchange is not None:
                exchange.disconnect()
        self._next.clear()
        self._is_refused = True

    def eof_received(self) -> None:
        """The client sends no more: it has left."""

    def shutdown(self) -> None:
        """End as soon as nothing is being answered; uvicorn's server calls this."""
        if self._answering is None:
            self.transport.close()
        else:
            self._answering.keep_alive = False

    def pause_writing(self) -> None:
        """Hold answers back: the client reads too slowly."""
        self.may_write = self.loop.create_future()

    def resume_writing(self) -> None:
        """Let them go on."""
        if self.may_write is not None and not self.may_write.done():
            self.may_write.set_result(None)
        self.may_write = None

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        if self._is_refused:
            return
        if self._reading is None and not self._is_in_head:
            self._closes_at = inf  # idle no more
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._is_refused = True  # nothing is upgraded to; the connection ends with the answer
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, GantryError) else BadRequest("no valid HTTP"))
        if self._is_in_head and self._closes_at == inf and self._answering is None:
            self._close_after(self.head_timeout_s)

    @property
    def is_idle(self) -> bool:
        """Whether what comes next begins a request that can be answered at once."""
        return (
            self._answering is None
            and self._reading is None
            and self.may_write is None
            and not self._is_in_head
            and not self._is_refused
        )

    # What the parser says

    def on_message_begin(self) -> None:
        """Start on a head."""
        self.url, self.headers, self._head_bytes = b"", [], 0
        self._is_in_head = True

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        self.url += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header; those behind a body (trailers) are dropped."""
        if self._is_in_head:
            self._count(len(name) + len(value))
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._is_in_head = False
        self._closes_at = inf
        if not self._is_refused:  # else it follows a request after which the connection ends
            self._open()

    def _open(self) -> None:
        """Begin to answer, or queue up behind the request that is being answered."""
        version = self._parser.get_http_version()
        exchange = ServerExchange(
            self,
            self._scope(version, self._parser.get_method(), self.url, self.headers),
            keep_alive=(
                version == "1.1"
                and self._parser.should_keep_alive()
                and not self._parser.should_upgrade()
            ),
        )
        self._reading = exchange
        if self._answering is None:
            self._begin(exchange)
        else:
            self._next.append(exchange)
            self._pause()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        if self._reading is not None and self._reading.take(body) > READ_AHEAD_BYTES:
            self._pause()

    def on_message_complete(self) -> None:
        """The request has come to its end."""
        exchange, self._reading = self._reading, None
        if exchange is None:
            return
        exchange.end_of_body()
        if exchange.is_complete:
            self._go_on(exchange)

    # What exchanges say

    def read_on(self) -> None:
        """Read from the network again, if that was paused and nothing is queued."""
        if self._is_paused and not self._next and not self.transport.is_closing():
            self._is_paused = False
            self.transport.resume_reading()

    def _pause(self) -> None:
        self._is_paused = True
        self.transport.pause_reading()

    def answered(self, exchange: Answering) -> None:
        """An answer is complete."""
        self.server_state.total_requests += 1
        self._answering = None
        if self._reading is exchange:
            # Closing now would reset the connection and lose the answer, so the rest of the body
            # is read and dropped for a while.
            self.read_on()
            self._close_after(LINGER_S)
        else:
            self._go_on(exchange)

    def _go_on(self, exchange: Answering) -> None:
        """Close or take the next request, after a request that is read and answered."""
        if not exchange.keep_alive:
            self._is_refused = True
            self.transport.close()
        elif self._next:
            self._begin(self._next.popleft())
            self.read_on()
        else:
            self.read_on()
            self._close_after(self._keep_alive_s)

    def _begin(self, exchange: ServerExchange) -> None:
        self._answering = exchange
        task = self.loop.create_task(exchange.run(self._app))
        self.server_state.tasks.add(task)
        task.add_done_callback(self.server_state.tasks.discard)

    def _scope(
        self, version: str, method: bytes, url: bytes, headers: list[tuple[bytes, bytes]]
    ) -> Scope:
        path, raw_path, query = split_target(url)
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": version,
            **self._addresses,
            "method": method.decode("ascii"),
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": headers,
            "state": self._app_state.copy(),
        }

    def _count(self, more_bytes: int) -> None:
        self._head_bytes += more_bytes
        if self._head_bytes > MAX_HEAD_BYTES:
            raise HeadTooLarge(f"the request's head is larger than {MAX_HEAD_BYTES} bytes")

    def _refuse(self, error: GantryError) -> None:
        """Close on account of what cannot be parsed; what came whole before it is answered."""
        if self._is_refused:
            return
        self._is_refused, self._is_in_head = True, False
        if self._answering is not None and self._reading is None:
            last = self._next[-1] if self._next else self._answering
            last.keep_alive = False
            return
        if self._answering is None or not self._answering.has_started:
            self.transport.write(_refusal(error))
        if self._answering is not None:
            self._answering.disconnect()
        self.transport.close()

    def _close_after(self, delay_s: float) -> None:
        """Close then, unless ``_closes_at`` is moved; a timer that is set stays as it is."""
        self._closes_at = self.loop.time() + delay_s
        if self._timer_at > self._closes_at:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._closes_at
        self._timer = self.loop.call_at(self._timer_at, self._on_time)

    def _on_time(self) -> None:
        self._timer, self._timer_at = None, inf
        if self.loop.time() >= self._closes_at:
            self.transport.close()
        elif self._closes_at < inf:
            self._set_timer()


def protocol_with_head_timeout(
    timeout_s: float, base: type[ServerProtocol] = ServerProtocol
) -> type[ServerProtocol]:
    """The protocol with a limit on the time that a request's head may take, in s."""
    return type("TimedProtocol", (base,), {"head_timeout_s": timeout_s})


def split_target(url: bytes) -> tuple[str, bytes, bytes]:
    """Path, path as it came and query of a request's target."""
    if url[:1] == b"/" and b"#" not in url:
        raw_path, _, query = url.partition(b"?")
    else:
        parsed = httptools.parse_url(url)
        raw_path, query = parsed.path or b"/", parsed.query or b""
    path = raw_path.decode("ascii")
    return urllib.parse.unquote(path) if "%" in path else path, raw_path, query


def _address(given: Any) -> tuple[str, int] | None:  # noqa: ANN401 - as the socket tells it
    return (str(given[0]), int(given[1])) if isinstance(given, tuple) else None


def _refusal(error: GantryError) -> bytes:
    request_id = request_id_of({"headers": ()})
    content = json.dumps(problem(error, request_id=request_id, instance="")).encode()
    return (
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n"
        f"content-type: {PROBLEM_TYPE}\r\ncontent-length: {len(content)}\r\n"
        f"x-request-id: {request_id}\r\nconnection: close\r\n\r\n"
    ).encode() + content
