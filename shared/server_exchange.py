"""One request of a client and its answer, as the ``receive`` and ``send`` of ASGI."""

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

from shared.errors import GantryError
from shared.http import (
    WHEN_GONE,
    AsgiApp,
    Message,
    Scope,
    header,
    request_id_of,
    send_problem,
)

if TYPE_CHECKING:
    from shared.server_protocol import ServerProtocol

log = logging.getLogger(__name__)

JOINED_BYTES = 64 * 1024  # a first piece up to here leaves in one write with the head
BODILESS = frozenset({204, 304})
STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus
}


def status_line(status: int) -> bytes:
    """First line of an answer."""
    return STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


class ServerExchange:
    """State of one request; the protocol feeds it, the application reads and answers."""

    def __init__(self, protocol: "ServerProtocol", scope: Scope, *, keep_alive: bool) -> None:
        """Take a request whose head has come."""
        self.keep_alive = keep_alive  # the connection may be used again
        self.has_started = False  # the answer has begun
        self.is_complete = False
        self._protocol = protocol
        self._scope = scope
        self._is_gone = False
        self._when_gone: Callable[[], None] | None = None
        scope["extensions"] = {WHEN_GONE: self.when_gone}
        # The way in
        self._pieces: list[bytes] = []
        self._held_bytes = 0
        self._is_read = False  # the body has come to its end
        self._has_told_end = False  # and the application knows
        self._news: asyncio.Future[None] | None = None
        # The way out
        self._head: bytes | None = None  # held back until the first piece, or the loop's next turn
        self._left_bytes: int | None = None  # of an answer that announces its length
        self._is_chunked = False
        self._has_body = scope["method"] != "HEAD"

    # What the protocol says

    def take(self, piece: bytes) -> int:
        """Keep a piece of the body; returns how many bytes wait to be read."""
        if self.is_complete:
            return 0
        self._pieces.append(piece)
        self._held_bytes += len(piece)
        self._wake()
        return self._held_bytes

    def end_of_body(self) -> None:
        """The body has come to its end."""
        self._is_read = True
        self._wake()

    def disconnect(self) -> None:
        """The client is gone."""
        self._is_gone = True
        self._wake()
        if self._when_gone is not None:
            self._when_gone()

    def when_gone(self, tell: Callable[[], None]) -> None:
        """Have ``tell`` called when the client leaves before the end of its answer."""
        self._when_gone = tell
        if self._is_gone:
            tell()

    async def run(self, app: AsgiApp) -> None:
        """Have ``app`` answer; an answer that it leaves incomplete ends the connection."""
        try:
            await app(self._scope, self.receive, self.send)
            if not self.has_started and not self._is_gone:
                raise RuntimeError("the application did not answer")
        except Exception:  # the last handler of the server
            log.exception("unforeseen error")
            if not self.has_started:
                await self._apologise()
        finally:
            if not self.is_complete and not self._is_gone:
                self._protocol.transport.close()
            self._when_gone = None  # no cycle of references is left
            self._scope["extensions"].clear()

    # What the application does

    async def receive(self) -> Message:
        """The next part of the body; after it, only that the client has left."""
        while not self._is_gone and not self.is_complete:
            if self._pieces or (self._is_read and not self._has_told_end):
                return self._part()
            if not self._is_read and not self.has_started:
                self._invite()
            self._protocol.read_on()
            self._news = self._protocol.loop.create_future()
            await self._news
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Send the head or a piece of the answer.

        Raises:
            RuntimeError: the messages come in a wrong order, or contradict the announced length.
        """
        protocol = self._protocol
        if protocol.may_write is not None:
            await asyncio.shield(protocol.may_write)
        if self._is_gone:
            return
        if message["type"] == "http.response.start" and not self.has_started:
            self.has_started = True
            self._head = self._render_head(message)
            protocol.loop.call_soon(self._flush_head)
        elif message["type"] == "http.response.body" and self.has_started and not self.is_complete:
            self._send_piece(message.get("body", b""), is_last=not message.get("more_body", False))
        else:
            raise RuntimeError(f"{message['type']} out of turn")

    def _part(self) -> Message:
        pieces, self._pieces, self._held_bytes = self._pieces, [], 0
        self._has_told_end = self._is_read
        if self._is_read:
            self._protocol.read_on()  # else a client that leaves would go unseen
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return {"type": "http.request", "body": body, "more_body": not self._is_read}

    def _invite(self) -> None:
        """Tell a client that waits for it to send the body (RFC 9110, section 10.1.1)."""
        expect = header(self._scope, b"expect")
        if expect is not None and expect.lower() == "100-continue":
            self._scope["headers"] = [
                pair for pair in self._scope["headers"] if pair[0] != b"expect"
            ]
            self._protocol.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _render_head(self, message: Message) -> bytes:
        status: int = message["status"]
        lines = [status_line(status)]
        for pair in self._protocol.server_state.default_headers:
            lines.append(b"%b: %b\r\n" % pair)
        self._has_body = self._has_body and status not in BODILESS
        for name, value in message.get("headers", ()):
            if name == b"connection":
                self.keep_alive = self.keep_alive and b"close" not in value.lower()
            elif name != b"transfer-encoding":
                if name == b"content-length":
                    self._left_bytes = int(value)
                lines.append(b"%b: %b\r\n" % (name, value))
        if self._has_body and self._left_bytes is None:
            self._is_chunked = self._scope["http_version"] == "1.1"
            if self._is_chunked:
                lines.append(b"transfer-encoding: chunked\r\n")
            else:
                self.keep_alive = False  # the end of the connection is that of the body
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        head = b"".join(lines)
        if not head.count(b"\n") == head.count(b"\r") == len(lines):
            raise RuntimeError("a header of the answer holds a line break")
        return head + b"\r\n"

    def _flush_head(self) -> None:
        if self._head is not None and not self._is_gone:
            self._protocol.transport.write(self._head)
            self._head = None

    def _send_piece(self, body: bytes, *, is_last: bool) -> None:
        if not self._has_body:
            body = b""
        elif self._left_bytes is not None:
            self._left_bytes -= len(body)
            if self._left_bytes < 0 or (is_last and self._left_bytes):
                raise RuntimeError("the answer is not as long as it announces")
        elif self._is_chunked:
            body = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            if is_last:
                body += b"0\r\n\r\n"
        if self._head is not None and len(body) <= JOINED_BYTES:
            body, self._head = self._head + body, None
        else:
            self._flush_head()
        if body:
            self._protocol.transport.write(body)
        if is_last:
            self.is_complete = True
            self._wake()
            self._protocol.answered(self)

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def _apologise(self) -> None:
        error = GantryError("an internal error happened; see the log")
        await send_problem(
            self.send, error, request_id=request_id_of(self._scope), instance=self._scope["path"]
        )
