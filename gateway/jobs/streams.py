"""Between files and the attempt loop: a kept input as a body, an answer that goes to a file."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

from gateway.jobs.files import DurableFile
from gateway.jobs.store import HeaderPairs, StoredAnswer
from shared.errors import GantryError
from shared.http import Message

BLOCK_BYTES = 2**20


class FileBody:
    """The input of a job in the role of a request's body: it can be sent any number of times."""

    fault: GantryError | None = None
    is_replayable = True

    def __init__(self, path: Path, size_bytes: int) -> None:
        """Read from ``path``."""
        self._path = path
        self._size_bytes = size_bytes

    def payload(self) -> AsyncIterator[bytes] | None:
        """The body from its first byte on, for one attempt."""
        return self._blocks() if self._size_bytes else None

    async def _blocks(self) -> AsyncIterator[bytes]:
        position = 0
        while block := await asyncio.to_thread(self._block, position):
            position += len(block)
            yield block

    def _block(self, position: int) -> bytes:
        # Opened for each, so that an attempt given up in between leaves nothing open.
        with self._path.open("rb") as file:
            file.seek(position)
            return file.read(BLOCK_BYTES)


class FileSink:
    """ASGI ``send`` that writes the answer's body to a file and remembers its head."""

    def __init__(self, path: Path) -> None:
        """Write to ``path`` when the first byte comes."""
        self.answer: StoredAnswer | None = None
        self.is_complete = False
        self._path = path
        self._file: DurableFile | None = None
        self._in_turn = threading.Lock()  # a thread goes on though its caller is cancelled
        self._buffer = bytearray()

    async def __call__(self, message: Message) -> None:
        """Take one ASGI message."""
        if message["type"] == "http.response.start":
            self.answer = StoredAnswer(message["status"], _text(message["headers"]))
            return
        self._buffer += message.get("body", b"")
        is_last = not message.get("more_body", False)
        if is_last or len(self._buffer) >= BLOCK_BYTES:
            block, self._buffer = bytes(self._buffer), bytearray()
            await asyncio.to_thread(self._put, block, is_last)
            self.is_complete = is_last

    async def discard(self) -> None:
        """Delete what was written, unless it is complete."""
        if not self.is_complete:
            await asyncio.to_thread(self._discard)

    def _put(self, block: bytes, is_last: bool) -> None:
        with self._in_turn:
            if self._file is None:
                self._file = DurableFile(self._path)
            self._file.write(block)
            if is_last:
                self._file.commit()

    def _discard(self) -> None:
        with self._in_turn:
            if self._file is not None:
                self._file.discard()


def _text(headers: list[tuple[bytes, bytes]]) -> HeaderPairs:
    return tuple((key.decode("latin-1"), value.decode("latin-1")) for key, value in headers)
