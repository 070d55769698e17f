"""One connection to a replica: HTTP/1.1 on an asyncio transport, parsed by httptools (llhttp).

A connection answers one request at a time. What the network delivers becomes pieces of the
response as it comes; when its reader is slow, reading from the network pauses.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import cast

import httptools

from gateway.upstream import ConnectionLost

MAX_HEAD_BYTES = 64 * 1024
READ_AHEAD_BYTES = 256 * 1024  # of a response, before reading from the network pauses
SWITCHING_PROTOCOLS, NO_CONTENT, NOT_MODIFIED = 101, 204, 304


class Http1Response:
    """A response whose head has come; satisfies ``UpstreamResponse``."""

    is_complete = False
    has_length = False  # it announces it
    is_framed = False  # its length or chunks tell where it ends
    error: ConnectionLost | None = None
    held_bytes = 0  # in ``pieces``
    _news: asyncio.Future[None] | None = None

    def __init__(
        self, connection: "Http1Connection", status: int, headers: list[tuple[bytes, bytes]]
    ) -> None:
        """Begin with a head; the connection adds the rest."""
        self.status = status
        self.headers = headers
        self.pieces: deque[bytes] = deque()
        self._connection = connection

    def whole(self) -> bytes | None:
        """The body, if all of it has come and nothing was taken yet."""
        if not self.is_complete:
            return None
        return self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body in the pieces in which the network delivers it."""
        while True:
            while self.pieces:
                piece = self.pieces.popleft()
                self.held_bytes -= len(piece)
                if not self.held_bytes and not self.is_complete:
                    self._connection.resume_reading()
                yield piece
            if self.is_complete:
                return
            if self.error is not None:
                raise self.error
            self._news = self._connection.loop.create_future()
            await self._news

    def abort(self) -> None:
        """Give the response up; closes the connection unless the body has come to its end."""
        if not self.is_complete and self.error is None:
            self._connection.abort()

    def wake(self) -> None:
        """Tell the reader that something has changed."""
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


class Pending:
    """A request that was sent, until the head of its response has come."""

    __slots__ = ("_news", "connection", "lost", "response")

    def __init__(self, connection: "Http1Connection") -> None:
        """Belong to the connection on which it is sent."""
        self.connection = connection
        self.response: Http1Response | None = None
        self.lost: ConnectionLost | None = None  # why no response will come
        self._news: asyncio.Future[None] | None = None

    async def head(self) -> Http1Response:
        """Wait for the head; cancelled, this closes the connection.

        Raises:
            ConnectionLost: the connection broke before it came.
        """
        try:
            while self.response is None:
                if self.lost is not None:
                    raise self.lost
                self._news = self.connection.loop.create_future()
                await self._news
        except BaseException:
            self.connection.abort()
            raise
        return self.response

    def came(self, response: Http1Response) -> None:
        """The connection has the head."""
        self.response = response
        if self._news is not None:
            self._wake()

    def failed(self, error: ConnectionLost) -> None:
        """The connection broke before it had the head."""
        self.lost = error
        self._wake()

    def progressed(self) -> None:
        """All that the network brought at this time was dealt with."""

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


class Http1Connection(asyncio.Protocol):
    """A connection and the request on it; ``on_free`` and ``on_lost`` tell its owner."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_free: Callable[["Http1Connection"], None],
        on_lost: Callable[["Http1Connection"], None],
    ) -> None:
        """Wait to be connected."""
        self.loop = loop
        self.idle_since = 0.0  # loop time; for the owner
        self.is_usable = True  # may take another request when it is free
        self._on_free, self._on_lost = on_free, on_lost
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._pending: Pending | None = None  # until its response is complete
        self._awaits_head = False
        self._response: Http1Response | None = None  # until it is complete
        self._is_paused = False  # nothing is read from the network
        self._is_informational = False
        self._has_body = True  # a response to HEAD has none, whatever its head says
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._has_length = self._is_chunked = False  # the head that is being read
        self._sender: asyncio.Task[None] | None = None
        self._may_write: asyncio.Future[None] | None = None  # while the transport's buffer is full

    # What the client does

    async def send(
        self,
        head: bytes,
        body: bytes | AsyncIterator[bytes] | None,
        *,
        length_bytes: int | None,
        method: str,
    ) -> Http1Response:
        """Send a request and wait for the head of its response.

        Args:
            head: request line and headers, with the blank line.
            body: all of it, or pieces, which are sent while the response is awaited.
            length_bytes: of a body in pieces, as ``head`` tells it; None frames them as chunks.
            method: of the request.

        Raises:
            ConnectionLost: the connection broke before the head came.
        """
        self._has_body = method != "HEAD"
        pending = Pending(self)
        if body is None or isinstance(body, bytes):
            self.begin(head + body if body else head, pending)
        else:
            self.begin(head, pending)
            self._sender = self.loop.create_task(self._send_pieces(body, length_bytes))
        return await pending.head()

    def begin(self, request: bytes, pending: Pending) -> None:
        """Send a request, or its head; ``pending`` is told what becomes of it."""
        self._awaits_head, self._pending = True, pending
        self._transport.write(request)

    def abort(self) -> None:
        """Close at once."""
        self.is_usable = False
        self._stop_sender()
        self._transport.abort()

    def resume_reading(self) -> None:
        """Read on, if reading was paused."""
        if self._is_paused and not self._transport.is_closing():
            self._is_paused = False
            self._transport.resume_reading()

    async def _send_pieces(self, body: AsyncIterator[bytes], length_bytes: int | None) -> None:
        left = length_bytes
        try:
            async for piece in body:
                if left is None:
                    framed = b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
                else:
                    left -= len(piece)
                    framed = piece if left >= 0 else b""
                self._transport.write(framed)
                if self._may_write is not None:
                    await asyncio.shield(self._may_write)
            if left is None:
                self._transport.write(b"0\r\n\r\n")
            elif left:
                raise ConnectionLost("the body is not as long as announced")
        except Exception as error:  # noqa: BLE001 - whatever ended the body ends the request
            self._fail(ConnectionLost("the request's body ended early"), error)
        finally:
            self._sender = None

    def _stop_sender(self) -> None:
        if self._sender is not None:
            self._sender.cancel()

    # What the event loop says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        # uvloop's transports do not inherit from asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        if not self._awaits_head and self._response is None:
            self.abort()  # a server that speaks unasked is about to close, or is no HTTP server
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(ConnectionLost("the service's answer is no valid HTTP"), error)
        self._tell_progress()

    def eof_received(self) -> bool:
        """The service will send no more: close."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End what was under way."""
        self.is_usable = False
        if self._may_write is not None and not self._may_write.done():
            self._may_write.set_result(None)
        response = self._response
        if response is not None and not response.is_framed and exc is None:
            self._complete(response)  # its end is the end of the connection
        else:
            self._fail(ConnectionLost("the service broke the connection"), exc)
        self._on_lost(self)
        self._tell_progress()

    def pause_writing(self) -> None:
        """Hold the body back."""
        self._may_write = self.loop.create_future()

    def resume_writing(self) -> None:
        """Let the body go on."""
        if self._may_write is not None and not self._may_write.done():
            self._may_write.set_result(None)
        self._may_write = None

    # What the parser says

    def on_message_begin(self) -> None:
        """Start on a head."""
        self._headers, self._head_bytes = [], 0
        self._has_length = self._is_chunked = False
        if not self._awaits_head:
            self.is_usable = False  # an answer that nobody asked for follows the one just ended
            self._transport.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header; those behind the body (trailers) are dropped."""
        if self._response is None:
            self._head_bytes += len(name) + len(value)
            if self._head_bytes > MAX_HEAD_BYTES:
                raise ValueError("the head of the response is too large")
            name = name.lower()
            self._headers.append((name, value))
            if name == b"content-length":
                self._has_length = True
            elif name == b"transfer-encoding":
                self._is_chunked = True

    def on_headers_complete(self) -> None:
        """Hand the head out."""
        status = self._parser.get_status_code()
        self._is_informational = 100 <= status < 200
        if self._is_informational or not self._awaits_head:
            return
        response = Http1Response(self, status, self._headers)
        response.has_length = self._has_length
        response.is_framed = (
            self._has_length or self._is_chunked or status in (NO_CONTENT, NOT_MODIFIED)
        )
        assert self._pending is not None  # its head is awaited
        self._awaits_head, self._response = False, response
        self._pending.came(response)
        if not self._has_body:
            self.is_usable = False  # the parser would wait for the body that the head announces
            self._complete(response)

    def on_body(self, body: bytes) -> None:
        """Take a piece."""
        response = self._response
        if response is None:
            return
        response.pieces.append(body)
        response.held_bytes += len(body)
        if response.held_bytes > READ_AHEAD_BYTES and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        response.wake()

    def on_message_complete(self) -> None:
        """The response has come to its end."""
        if self._is_informational:
            return
        if not self._parser.should_keep_alive():
            self.is_usable = False
        if self._response is not None:
            self._complete(self._response)

    def _complete(self, response: Http1Response) -> None:
        self._response = None
        response.is_complete = True
        response.wake()
        if self._sender is not None:
            self.is_usable = False  # answered before all of the request was sent
            self._stop_sender()
        if self.is_usable:
            self.resume_reading()
            self._on_free(self)
        else:
            self._transport.close()

    def _fail(self, error: ConnectionLost, cause: BaseException | None) -> None:
        error.__cause__ = cause
        response, self._response = self._response, None
        if self._awaits_head and self._pending is not None:
            self._awaits_head = False
            self._pending.failed(error)
        if response is not None:
            response.error = error
            response.wake()
        self.abort()

    def _tell_progress(self) -> None:
        pending = self._pending
        if pending is not None:
            if not self._awaits_head and self._response is None:
                self._pending = None
            pending.progressed()
