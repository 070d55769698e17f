"""The HTTP layer below the routes, in pure ASGI, for services and gateway alike.

``RequestLayer`` wraps an application: it gives each request its id, deadline and context, holds
the body to its limit while it is read, cancels the work when the client leaves, renders errors
that reach it, adds the common response headers, counts and logs the request. It never buffers a
body. Plain ASGI is used because framework middleware that wraps the body hides the client's
disconnect from the routes.
"""

import asyncio
import contextlib
import hmac
import json
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from shared.context import RequestContext, entered
from shared.errors import (
    BadRequest,
    ClientGone,
    DeadlineExceeded,
    GantryError,
    PayloadTooLarge,
    Unauthorized,
    problem,
    retry_headers,
)
from shared.log import request_id_var
from shared.metrics import HttpMetrics

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

PROBLEM_TYPE = "application/problem+json"
REQUEST_ID_PATTERN = re.compile(r"^[A-Za-z0-9._-]{1,128}$")
MAX_TIMEOUT_MS = 86_400_000  # one day
OPEN_PATHS = frozenset({"/livez", "/readyz", "/metrics"})
"""Paths of probes and collectors, which carry no token."""


@dataclass(frozen=True)
class RouteLimits:
    """Limits of one path."""

    max_body_bytes: int  # larger bodies are refused with 413 while being read
    default_deadline_ms: int  # time of a request that names none


def header(scope: Scope, name: bytes) -> str | None:
    """First value of a request header (name in lower case), or None."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


def request_id_of(scope: Scope) -> str:
    """The client's ``X-Request-Id`` if it is well-formed, else a new one."""
    given = header(scope, b"x-request-id")
    return given if given and REQUEST_ID_PATTERN.match(given) else uuid.uuid4().hex


def timeout_ms_of(scope: Scope, default_ms: int) -> int:
    """Time that the request may take, in ms, from ``X-Request-Timeout-Ms`` or the default.

    Raises:
        BadRequest: the header is not a whole number from 1 to one day.
    """
    given = header(scope, b"x-request-timeout-ms")
    if given is None:
        return default_ms
    if not given.isascii() or not given.isdigit() or not 1 <= int(given[:12]) <= MAX_TIMEOUT_MS:
        raise BadRequest(f"X-Request-Timeout-Ms must be a whole number from 1 to {MAX_TIMEOUT_MS}")
    return int(given)


def encode_headers(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers in the form ASGI wants."""
    return [
        (key.lower().encode("latin-1"), value.encode("latin-1")) for key, value in headers.items()
    ]


async def send_json(
    send: Send,
    status: int,
    body: Any,  # noqa: ANN401 - any JSON value
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> None:
    """Send a whole JSON response."""
    content = json.dumps(body, ensure_ascii=False).encode()
    lines = {"content-type": content_type, "content-length": str(len(content)), **(headers or {})}
    await send({"type": "http.response.start", "status": status, "headers": encode_headers(lines)})
    await send({"type": "http.response.body", "body": content})


async def send_problem(send: Send, error: GantryError, *, request_id: str, instance: str) -> None:
    """Send an error in the one shape that all processes use."""
    body = problem(error, request_id=request_id, instance=instance)
    await send_json(send, error.status, body, retry_headers(error), PROBLEM_TYPE)


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
            quiet_paths: paths whose requests are not logged.
        """
        self._app = app
        self._metrics = metrics
        self._limits = dict(limits)
        self._default = default_limits
        self._fixed = encode_headers(fixed_headers or {})
        self._token = token
        self._live = {} if live is None else live
        self._quiet = frozenset(quiet_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI event stream; only ``http`` is handled here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._fixed)
        started = time.perf_counter()
        token = request_id_var.set(exchange.request_id)
        self._metrics.in_flight.inc()
        try:
            await self._answer(exchange)
        finally:
            self._metrics.in_flight.dec()
            self._record(exchange, time.perf_counter() - started)
            request_id_var.reset(token)

    async def _answer(self, exchange: "_Exchange") -> None:
        limits = self._limits.get(exchange.path, self._default)
        try:
            timeout_ms = timeout_ms_of(exchange.scope, limits.default_deadline_ms)
            exchange.limit_body(limits.max_body_bytes)
            self._authorise(exchange)
        except GantryError as error:
            await exchange.fail(error)
            return
        context = RequestContext(exchange.request_id, time.monotonic() + timeout_ms / 1000)
        exchange.context = context
        self._live[exchange.request_id] = context
        try:
            with entered(context):
                await exchange.run(self._app, context)
        finally:
            self._live.pop(exchange.request_id, None)

    def _authorise(self, exchange: "_Exchange") -> None:
        if self._token is None or exchange.path in OPEN_PATHS:
            return
        given = header(exchange.scope, b"x-internal-token") or ""
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            raise Unauthorized("X-Internal-Token is missing or wrong")

    def _record(self, exchange: "_Exchange", duration_s: float) -> None:
        # Starlette stores the matched route; unmatched paths share one label.
        route = getattr(exchange.scope.get("route"), "path", None)
        label = route or (exchange.path if exchange.path in self._limits else "unmatched")
        method = exchange.scope["method"]
        self._metrics.requests.labels(label, method, str(exchange.status)).inc()
        self._metrics.duration.labels(label).observe(duration_s)
        if exchange.path not in self._quiet:
            log.info("%s %s %d %.1f ms", method, label, exchange.status, duration_s * 1000)


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
        self._body_read = False
        self._empty_body: Message | None = None
        self._gone = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None
        self._work: asyncio.Task[None] | None = None

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
        if not self._announces_body():
            # Routes without a body never ask for it, so the client's leaving would go unseen.
            self._empty_body = await self._receive_part()
        self._work = asyncio.ensure_future(app(self.scope, self.receive, self.send))
        try:
            async with asyncio.timeout(max(0.0, context.remaining_s())) as deadline:
                await self._work
        except TimeoutError as error:
            if not deadline.expired():
                await self.crash(error)
            elif not self.started:
                await self.fail(
                    DeadlineExceeded("the request's time ran out before it was answered")
                )
        except asyncio.CancelledError:
            if not self._gone.is_set():
                raise  # the server stops: pass it on
        except GantryError as error:
            await self.fail(error)
        except Exception as error:  # noqa: BLE001 - the last handler of the process
            await self.crash(error)
        finally:
            await self._stop()

    def _announces_body(self) -> bool:
        length = header(self.scope, b"content-length")
        return length not in (None, "0") or header(self.scope, b"transfer-encoding") is not None

    async def _stop(self) -> None:
        for task in (self._work, self._watcher):
            if task is not None and not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def receive(self) -> Message:
        """Next part of the body, counted; after it, only the client's leaving."""
        if self._empty_body is not None:
            message, self._empty_body = self._empty_body, None
            return message
        if self._body_read:
            await self._gone.wait()
            return {"type": "http.disconnect"}
        return await self._receive_part()

    async def _receive_part(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._body_read = True
            self._gone.set()
            return message
        self._left_bytes -= len(message.get("body", b""))
        if self._left_bytes < 0:
            raise self._too_large()
        if not message.get("more_body", False):
            self._body_read = True
            self._watcher = asyncio.ensure_future(self._watch())
        return message

    async def _watch(self) -> None:
        """Wait for the client to leave, then stop the work unless its answer is on the way."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone.set()
        if not self.started and self._work is not None:
            self._work.cancel()

    async def send(self, message: Message) -> None:
        """Pass a part of the response on, with the common headers on its start."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", []), *self._headers()]}
        await self._send(message)

    def _headers(self) -> list[tuple[bytes, bytes]]:
        lines = [(b"x-request-id", self.request_id.encode()), *self._fixed]
        if self.context is None:
            return lines
        facts = {
            "x-model": self.context.model,
            "x-device": self.context.device,
            "x-cache": self.context.cache if self.context.model else None,
            "server-timing": self.context.server_timing() or None,
        }
        return lines + encode_headers({key: value for key, value in facts.items() if value})

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
            await self.fail(
                GantryError("an internal error happened; see the log under this request id")
            )

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(
            f"the body is larger than {self._limit_bytes} bytes, the limit of this path"
        )
