"""The HTTP layer around an application, in pure ASGI, for services and gateway alike.

``RequestLayer`` gives each request its id, deadline and context, holds the body to its limit while
it is read, cancels the work when the client leaves, renders errors that reach it, adds the common
response headers, counts and logs the request. It never buffers a body. Plain ASGI is used because
framework middleware that wraps the body hides the client's disconnect from the routes. All of it
is paid for by every request, also by those whose model answers in microseconds.
"""

import asyncio
import hmac
import logging
import time
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from shared.context import LOCAL, RequestContext, entered
from shared.errors import (
    ClientGone,
    DeadlineExceeded,
    GantryError,
    PayloadTooLarge,
    Unauthorized,
)
from shared.http import (
    WHEN_GONE,
    AsgiApp,
    Message,
    Receive,
    Scope,
    Send,
    caller_named_by,
    encode_headers,
    header,
    header_bytes,
    header_text,
    request_id_of,
    send_problem,
    timeout_ms_of,
)
from shared.log import AccessLog, request_id_var
from shared.metrics import BulkCounter, BulkHistogram, HttpMetrics

log = logging.getLogger(__name__)

UNFORESEEN = "an internal error happened; see the log under this request id"
LOGGED_FROM_STATUS: dict[AccessLog, int] = {"all": 0, "errors": 400, "off": 1000}
OPEN_PATHS = frozenset({"/livez", "/readyz", "/metrics"})
"""Paths of probes and collectors, which carry no token."""


@dataclass(frozen=True)
class RouteLimits:
    """Limits of one path."""

    max_body_bytes: int  # larger bodies are refused with 413 while being read
    default_deadline_ms: int  # time of a request that names none


class RequestLayer:
    """ASGI middleware: id, limits, cancellation, headers, metrics and log line of a request."""

    def __init__(
        self,
        app: AsgiApp,
        *,
        metrics: HttpMetrics,
        limits: Mapping[str, RouteLimits],
        default_limits: RouteLimits,
        fixed_headers: Mapping[str, str] | None = None,
        token: str | None = None,
        live: MutableMapping[str, RequestContext] | None = None,
        shortcuts: Mapping[str, AsgiApp] | None = None,
        access_log: AccessLog = "all",
        quiet_paths: Iterable[str] = ("/livez", "/readyz", "/metrics", "/info"),
    ) -> None:
        """Wrap ``app``.

        Args:
            app: the application.
            metrics: where requests are counted.
            limits: limits by path.
            default_limits: limits of all other paths.
            fixed_headers: headers that every response carries.
            token: what ``X-Internal-Token`` must hold on all but ``OPEN_PATHS``; None asks for
                none.
            live: filled with the contexts of the requests being answered, by request id.
            shortcuts: applications that answer a path instead of ``app``.
            access_log: which requests get a line in the log.
            quiet_paths: paths whose requests are not logged.
        """
        self._app = app
        self._metrics = metrics
        self._limits = dict(limits)
        self._default = default_limits
        self.fixed_headers = encode_headers(fixed_headers or {})
        self._token = token.encode() if token is not None else None
        self._live = {} if live is None else live
        self._shortcuts = dict(shortcuts or {})
        self._logged_from = LOGGED_FROM_STATUS[access_log]
        self._quiet = frozenset(quiet_paths)
        self._counters: dict[tuple[str, str, int], tuple[BulkCounter, BulkHistogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI event stream; only ``http`` is handled here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self.fixed_headers)
        started = time.perf_counter()
        token = request_id_var.set(exchange.request_id)
        self.begun()
        try:
            await self._answer(exchange)
        finally:
            self.ended()
            self._record(exchange, time.perf_counter() - started)
            request_id_var.reset(token)

    def begun(self) -> None:
        """Count a request that is being answered."""
        self._metrics.in_flight += 1

    def ended(self) -> None:
        """Count it no more."""
        self._metrics.in_flight -= 1

    def limits_of(self, path: str) -> RouteLimits:
        """Limits of a path."""
        return self._limits.get(path, self._default)

    async def _answer(self, exchange: "_Exchange") -> None:
        limits = self.limits_of(exchange.path)
        try:
            timeout_ms = timeout_ms_of(exchange.scope, limits.default_deadline_ms)
            exchange.limit_body(limits.max_body_bytes)
            self._authorise(exchange)
            caller = caller_named_by(exchange.scope) or LOCAL
        except GantryError as error:
            await exchange.fail(error)
            return
        deadline = time.monotonic() + timeout_ms / 1000
        context = RequestContext(exchange.request_id, deadline, caller)
        exchange.context = context
        self._live[exchange.request_id] = context
        try:
            with entered(context):
                await exchange.run(self._shortcuts.get(exchange.path, self._app), context)
        finally:
            self._live.pop(exchange.request_id, None)

    def _authorise(self, exchange: "_Exchange") -> None:
        given = header_bytes(exchange.scope, b"x-internal-token")
        if exchange.path not in OPEN_PATHS and not self.is_authorised(given):
            raise Unauthorized("X-Internal-Token is missing or wrong")

    def is_authorised(self, given: bytes | None) -> bool:
        """Whether a request with this ``X-Internal-Token`` may be answered."""
        return self._token is None or hmac.compare_digest(given or b"", self._token)

    def _record(self, exchange: "_Exchange", duration_s: float) -> None:
        # Starlette stores the matched route; unmatched paths share one label.
        route = getattr(exchange.scope.get("route"), "path", None)
        label = route or (exchange.path if exchange.path in self._limits else "unmatched")
        method = exchange.scope["method"]
        self.count(method, label, exchange.status, duration_s)
        if exchange.path not in self._quiet and self.is_logged(exchange.status):
            self.log(method, label, exchange.status, duration_s)

    def count(self, method: str, label: str, status: int, duration_s: float) -> None:
        """Count a request that was answered."""
        key = (label, method, status)
        requests, duration = self._counters.get(key) or self._children(*key)
        requests.note()
        duration.note(duration_s)

    def is_logged(self, status: int) -> bool:
        """Whether the settings ask for a line in the log."""
        return status >= self._logged_from

    def log(self, method: str, label: str, status: int, duration_s: float) -> None:
        """Write the line, under the request id of the context."""
        log.info("%s %s %d %.1f ms", method, label, status, duration_s * 1000)

    def _children(self, label: str, method: str, status: int) -> tuple[BulkCounter, BulkHistogram]:
        """Find the metrics of these labels by name, and remember them."""
        requests = self._metrics.requests.labels(label, method, str(status))
        found = self._counters[label, method, status] = (
            requests,
            self._metrics.duration.labels(label),
        )
        return found


class _Ending(Enum):
    """Why this layer stopped the work on a request."""

    CLIENT_LEFT = auto()
    DEADLINE = auto()


class _Exchange:
    """One request and its response: limits on the way in, headers on the way out."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, fixed: list[tuple[bytes, bytes]]
    ) -> None:
        self.scope = scope
        self.path: str = scope["path"]
        self.request_id = request_id_of(scope)
        self.context: RequestContext | None = None
        self.status = ClientGone.status  # until a response starts
        self._receive, self._send, self._fixed = receive, send, fixed
        self._left_bytes = 0
        self._limit_bytes = 0
        self._is_read = not self._announces_body()
        self._task: asyncio.Task[Any] | None = None  # while the application runs in it
        self._ending: _Ending | None = None

    @property
    def started(self) -> bool:
        """Whether the response has begun."""
        return self.status != ClientGone.status

    def limit_body(self, max_bytes: int) -> None:
        """Refuse at once a body that announces more than ``max_bytes``; count the others."""
        self._left_bytes = self._limit_bytes = max_bytes
        announced = header(self.scope, b"content-length")
        if announced is not None and announced.isdigit() and int(announced) > max_bytes:
            raise self._too_large()

    async def run(self, app: AsgiApp, context: RequestContext) -> None:
        """Run the application until it is done, the client leaves or the deadline passes."""
        try:
            await self._work(app, context)
        except asyncio.CancelledError:
            if self._ending is None:
                raise  # the server stops: pass it on
            if self._ending is _Ending.DEADLINE and not self.started:
                await self.fail(
                    DeadlineExceeded("the request's time ran out before it was answered")
                )
        except GantryError as error:
            await self.fail(error)
        except Exception as error:  # noqa: BLE001 - the last handler of the process
            await self.crash(error)

    async def _work(self, app: AsgiApp, context: RequestContext) -> None:
        """Run the application in this task, which ``_end`` may cancel meanwhile."""
        self._task = task = asyncio.current_task()
        assert task is not None
        timer = task.get_loop().call_later(
            max(0.0, context.remaining_s()), self._end, _Ending.DEADLINE
        )
        when_gone = self.scope.get("extensions", {}).get(WHEN_GONE)
        if when_gone is not None:
            when_gone(self._client_left)
        try:
            await app(self.scope, self.receive, self.send)
        finally:
            self._task = None
            timer.cancel()
            if self._ending is not None:
                task.uncancel()

    def _client_left(self) -> None:
        """Stop the work, unless its answer is on the way or ``receive`` tells of the leaving."""
        if self._is_read and not self.started:
            self._end(_Ending.CLIENT_LEFT)

    def _end(self, reason: _Ending) -> None:
        if self._task is not None and self._ending is None:
            self._ending = reason
            self._task.cancel()

    def _announces_body(self) -> bool:
        length = header(self.scope, b"content-length")
        return length not in (None, "0") or header(self.scope, b"transfer-encoding") is not None

    async def receive(self) -> Message:
        """Next part of the body, counted; after it, only the client's leaving."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._left_bytes -= len(message.get("body", b""))
            if self._left_bytes < 0:
                raise self._too_large()
            self._is_read = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Pass a part of the response on, with the common headers on its start."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", []), *self._headers()]}
        await self._send(message)

    def _headers(self) -> list[tuple[bytes, bytes]]:
        lines = [(b"x-request-id", self.request_id.encode()), *self._fixed]
        context = self.context
        if context is None:
            return lines
        if context.model:
            lines.append((b"x-model", header_text(context.model).encode()))
            lines.append((b"x-cache", context.cache.encode("latin-1")))
        if context.device:
            lines.append((b"x-device", context.device.encode("latin-1")))
        if context.timings_ms:
            lines.append((b"server-timing", context.server_timing().encode("latin-1")))
        return lines

    async def fail(self, error: GantryError) -> None:
        """Answer with an error, or cut the connection if the answer has already begun."""
        if self.started:
            log.warning("failed after the response began: %s", error.code)
            raise error
        await send_problem(self.send, error, request_id=self.request_id, instance=self.path)

    async def crash(self, error: Exception) -> None:
        """Answer 500 without the text of an unforeseen fault; log it whole."""
        log.error("unforeseen error", exc_info=error)
        if not self.started:
            await self.fail(GantryError(UNFORESEEN))

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(
            f"the body is larger than {self._limit_bytes} bytes, the limit of this path"
        )
