"""A request's body: read from the client once, handed to one attempt after the other.

Nothing here waits for the whole body: a piece goes on as soon as it has come. What was read is
kept in a ``BodyStore`` as long as that store has room, so that a later attempt can send it again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from gateway.body_store import BodyStore
from gateway.content_digest import ContentDigest
from shared.errors import BadRequest, ClientGone, GantryError, PayloadTooLarge
from shared.http import Message, Receive, Scope, header

UPLOAD_GRACE_S = 10.0
MIN_UPLOAD_BYTES_PER_S = 4096
"""A body must come in at least this fast on average, after the grace: a limit on the rate lets slow
lines send large files, where a limit on the time would not."""


class UploadTooSlow(BadRequest):
    """The client sends its body too slowly."""

    status = 408
    code = "upload_too_slow"


class Body(Protocol):
    """What the attempt loop needs of a body."""

    @property
    def fault(self) -> GantryError | None:
        """Why it could not be read to its end, if so."""

    @property
    def is_replayable(self) -> bool:
        """Whether all that was read so far could be sent again."""

    def payload(self) -> bytes | AsyncIterator[bytes] | None:
        """The body from its first byte on, for one attempt."""


class RequestBody:
    """The body of one request."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        *,
        limit_bytes: int,
        store: BodyStore,
        on_gone: Callable[[], None],
        digest: ContentDigest | None = None,
    ) -> None:
        """Wrap ``receive``; nothing is read yet.

        Args:
            scope: of the request.
            receive: of the request; while the body is being read only this object calls it.
            limit_bytes: larger bodies are refused, before or while they are read.
            store: keeps what was read.
            on_gone: called once if the client leaves, before or after the body was read.
            digest: is fed what is read, if the request has to be compared with others.

        Raises:
            PayloadTooLarge: the body announces more than the limit.
            BadRequest: the announced length is not a number.
        """
        self.fault: GantryError | None = None  # why reading ended early
        self._receive = receive
        self._limit_bytes = limit_bytes
        self._store = store
        self._on_gone = on_gone
        self._digest = digest
        self._hex: str | None = None
        self._when_read: Callable[[str], None] | None = None
        self._is_watched = False  # the client is to be watched as soon as all is read
        self._watcher: asyncio.Task[None] | None = None
        self._reading: asyncio.Lock | None = None  # made when pieces are wanted
        self._waited_s = 0.0  # for the client, in all
        announced = header(scope, b"content-length")
        if announced is None:
            self.is_read = header(scope, b"transfer-encoding") is None
            return
        if not announced.isascii() or not announced.isdigit():
            raise BadRequest("Content-Length must be a whole number")
        self.is_read = announced == "0"
        if int(announced) > limit_bytes:
            raise self._too_large()

    @property
    def is_replayable(self) -> bool:
        """Whether all that was read so far could be sent again."""
        return self._store.is_whole

    @property
    def must_be_closed(self) -> bool:
        """Whether anything is held that ``close`` gives back."""
        return self._watcher is not None or self._store.size_bytes > 0

    async def begin(self) -> None:
        """Read the first piece; most bodies are complete with it.

        Raises:
            GantryError: the body is too large, or the client left.
        """
        await self._next()

    def watch(self) -> None:
        """Notice from now on when the client leaves, also when it sends nothing more."""
        self._is_watched = True
        if self.is_read and self._watcher is None:
            self._watcher = asyncio.ensure_future(self._wait_gone())

    def payload(self) -> bytes | AsyncIterator[bytes] | None:
        """The body from its first byte on, for one attempt."""
        if not self.is_read:
            return self._pieces()
        if self._store.size_bytes == 0:
            return None
        whole = self._store.in_memory()
        return self._pieces() if whole is None else whole

    def when_read(self, call: Callable[[str], None]) -> None:
        """Have ``call`` called with the digest as soon as the body was read to its end."""
        self._when_read = call
        if self.is_read:
            self._tell_digest()

    async def read_to_end(self) -> str:
        """Read what is left without sending it anywhere; returns the digest.

        Raises:
            GantryError: the body is too large or too slow, or the client left.
        """
        while not self.is_read:
            await self._next()
        return self._hexdigest()

    async def close(self) -> None:
        """Stop watching the client and drop what was kept."""
        if self._watcher is not None:
            self._watcher.cancel()
        await self._store.close()

    async def _pieces(self) -> AsyncIterator[bytes]:
        position = 0
        while True:
            if position < self._store.size_bytes:
                piece = await self._store.read(position)
                position += len(piece)
                yield piece
            elif self.is_read:
                break
            else:
                await self._read_on(position)

    async def _read_on(self, position: int) -> None:
        # An attempt that was given up may still be ending; only one at a time reads.
        if self._reading is None:
            self._reading = asyncio.Lock()
        async with self._reading:
            if position == self._store.size_bytes and not self.is_read:
                await self._next()

    async def _next(self) -> None:
        if self.fault is not None:
            raise self.fault
        message = await self._receive_in_time()
        if message["type"] == "http.disconnect":
            self.fault = ClientGone("the client left while it was sending")
            self._on_gone()
            raise self.fault
        piece: bytes = message.get("body", b"")
        if self._store.size_bytes + len(piece) > self._limit_bytes:
            self.fault = self._too_large()
            raise self.fault
        self.is_read = not message.get("more_body", False)
        if self._digest is not None:
            self._digest.update(piece)
        if self.is_read:
            self._tell_digest()
            if self._is_watched:
                self.watch()
        if piece:  # last: who reads may be cancelled in here, and nobody would read this again
            await self._store.append(piece)

    async def _receive_in_time(self) -> Message:
        """The next message; only waiting for the client counts as its time."""
        clock = asyncio.get_running_loop().time
        started = clock()
        # At the least rate, what was read so far would have taken this long.
        allowed_s = UPLOAD_GRACE_S + self._store.size_bytes / MIN_UPLOAD_BYTES_PER_S
        try:
            async with asyncio.timeout(allowed_s - self._waited_s):
                return await self._receive()
        except TimeoutError as error:
            self.fault = UploadTooSlow(
                f"the body comes in at less than {MIN_UPLOAD_BYTES_PER_S} bytes per second"
            )
            raise self.fault from error
        finally:
            self._waited_s += clock() - started

    def _tell_digest(self) -> None:
        if self._when_read is not None:
            self._when_read(self._hexdigest())

    def _hexdigest(self) -> str:
        assert self._digest is not None
        if self._hex is None:
            self._hex = self._digest.hexdigest()
        return self._hex

    async def _wait_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._on_gone()

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(
            f"the body is larger than {self._limit_bytes} bytes, the limit of this path"
        )
