"""The upstream client: HTTP/1.1 connections to replicas, kept and used again.

It streams both ways, hides no limit and changes no byte. General clients cost several times as much
CPU per request (aiohttp) or more than the rest of the gateway together (httpx), because they carry
redirects, cookies, proxies, decoding and tracing, of which a gateway needs nothing.
"""

import asyncio
import ssl
from functools import lru_cache
from urllib.parse import urlsplit

from gateway.http1_connection import Http1Connection, Http1Response
from gateway.upstream import NotConnected, UpstreamRequest
from shared.errors import BadRequest

METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class Http1Client:
    """Connections by origin; made and closed inside the event loop."""

    def __init__(self, *, connect_timeout_s: float, keepalive_s: float) -> None:
        """Start without connections.

        Args:
            connect_timeout_s: longest wait for a connection.
            keepalive_s: how long an idle connection is kept; below the server's own limit, so
                that the server does not close one that is just being reused.
        """
        self._connect_timeout_s = connect_timeout_s
        self._keepalive_s = keepalive_s
        self._loop = asyncio.get_running_loop()
        self._idle: dict[str, list[Http1Connection]] = {}  # by origin, the latest used last
        self._origins: dict[Http1Connection, str] = {}  # all that are open
        self._sweeper: asyncio.TimerHandle | None = None

    async def send(self, request: UpstreamRequest) -> Http1Response:
        """Send a request and wait for the head of its response.

        Raises:
            NotConnected: nothing was sent.
            ConnectionLost: the connection broke before the head arrived.
        """
        head = _head(request)
        connection = self.take(request.origin) or await self._connect(request.origin)
        return await connection.send(
            head, request.body, length_bytes=request.length_bytes, method=request.method
        )

    def take(self, origin: str) -> Http1Connection | None:
        """A connection for one request, if one is idle; after the request it comes back itself."""
        idle = self._idle.get(origin)
        oldest = self._loop.time() - self._keepalive_s
        while idle:
            connection = idle.pop()
            if connection.is_usable and connection.idle_since >= oldest:
                return connection
            connection.abort()
        return None

    def put_back(self, connection: Http1Connection) -> None:
        """Take a connection back that was not used after all."""
        self._idle.setdefault(self._origins[connection], []).append(connection)

    async def close(self) -> None:
        """Close all connections."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._origins):
            connection.abort()

    async def _connect(self, origin: str) -> Http1Connection:
        host, port, context = _address(origin)
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                _, connection = await self._loop.create_connection(
                    lambda: Http1Connection(self._loop, self._free, self._lost),
                    host, port, ssl=context,
                )  # fmt: skip
        except (OSError, TimeoutError) as error:
            raise NotConnected("the service could not be reached") from error
        self._origins[connection] = origin
        return connection

    def _free(self, connection: Http1Connection) -> None:
        connection.idle_since = self._loop.time()
        self.put_back(connection)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(self._keepalive_s, self._sweep)

    def _lost(self, connection: Http1Connection) -> None:
        origin = self._origins.pop(connection, None)
        idle = self._idle.get(origin) if origin is not None else None
        if idle and connection in idle:
            idle.remove(connection)

    def _sweep(self) -> None:
        """Close what has been idle for too long; comes again as long as something is idle."""
        self._sweeper = None
        oldest = self._loop.time() - self._keepalive_s
        for origin, idle in list(self._idle.items()):
            for connection in [each for each in idle if each.idle_since < oldest]:
                connection.abort()
            self._idle[origin] = kept = [each for each in idle if each.is_usable]
            if not kept:
                del self._idle[origin]
        if self._idle:
            self._sweeper = self._loop.call_later(self._keepalive_s, self._sweep)


@lru_cache(maxsize=1024)
def _address(origin: str) -> tuple[str, int, ssl.SSLContext | None]:
    parts = urlsplit(origin)
    assert parts.hostname is not None
    if parts.scheme == "https":
        return parts.hostname, parts.port or 443, ssl.create_default_context()
    return parts.hostname, parts.port or 80, None


@lru_cache(maxsize=1024)
def host_line(origin: str) -> bytes:
    """The ``Host`` header of requests to a replica."""
    return b"host: %b\r\n" % urlsplit(origin).netloc.encode("latin-1")


def length_line(method: str, body_bytes: int) -> bytes:
    """The header that frames a whole body of this length; empty where none is needed."""
    if body_bytes or method in METHODS_WITH_BODY:
        return b"content-length: %d\r\n" % body_bytes
    return b""


def _head(request: UpstreamRequest) -> bytes:
    """Request line and headers, with the one that frames the body."""
    body, lines = request.body, [b"%b: %b\r\n" % pair for pair in request.headers]
    if body is None or isinstance(body, bytes):
        framing = length_line(request.method, len(body or b""))
    elif request.length_bytes is not None:
        framing = b"content-length: %d\r\n" % request.length_bytes
    else:
        framing = b"transfer-encoding: chunked\r\n"
    start = b"%b %b HTTP/1.1\r\n" % (request.method.encode(), request.target)
    head = b"".join([start, host_line(request.origin), *lines, request.own_lines, framing, b"\r\n"])
    # The server's parser lets no line break into a name or value; held to here once more.
    count = len(lines) + request.own_lines.count(b"\r\n") + 3 + bool(framing)
    if not head.count(b"\n") == head.count(b"\r") == count:
        raise BadRequest("a header holds a line break")
    return head
