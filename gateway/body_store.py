"""Keeps the bytes of a request's body while there is room, so that it can be sent again.

The latest bytes lie in memory; when they outgrow their share, they move to a nameless file. A body
that outgrows the file's share too is no longer kept: it can be sent on, but only once.
"""

import asyncio
import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

log = logging.getLogger(__name__)

READ_BYTES = 256 * 1024  # at a time, when a kept body is sent again


@dataclass(frozen=True)
class StoreLimits:
    """Room for one body."""

    memory_bytes: int = 2**20
    spool_bytes: int = 512 * 2**20  # in all; 0 keeps bodies in memory only
    folder: Path | None = None  # of the file; the system's by default


class BodyStore:
    """What was read of one body."""

    def __init__(self, limits: StoreLimits) -> None:
        """Start empty; a file is made only when it is needed."""
        self._limits = limits
        self._file: IO[bytes] | None = None
        self._file_bytes = 0  # the body's bytes before this position lie in the file
        self._buffer = bytearray()  # and those from there on here
        self._tail = b""  # the piece that came last, as it came
        self._move: asyncio.Task[None] | None = None  # of bytes to the file, the latest
        self.size_bytes = 0
        self.is_whole = True  # nothing was dropped

    async def append(self, piece: bytes) -> None:
        """Keep one piece more; makes room by writing to disk or by dropping what was kept.

        A caller that is cancelled meanwhile has left its piece here: what was begun goes on, and
        the next call waits for it.
        """
        self._tail = piece
        self.size_bytes += len(piece)
        if not self.is_whole:
            return
        self._buffer += piece
        while len(self._buffer) > self._limits.memory_bytes:
            if self._move is None or self._move.done():
                if self.size_bytes > self._limits.spool_bytes:
                    await self._drop()
                    return
                self._move = asyncio.ensure_future(self._spill())
            await asyncio.shield(self._move)

    async def read(self, position: int) -> bytes:
        """Some bytes from ``position`` on, at least one; ``position`` is below ``size_bytes``.

        Raises:
            LookupError: these bytes were dropped.
        """
        if position == self.size_bytes - len(self._tail):
            return self._tail
        if not self.is_whole:
            raise LookupError(f"the body is not kept at {position}")
        if position >= self._file_bytes:
            start = position - self._file_bytes
            return bytes(self._buffer[start : start + READ_BYTES])
        assert self._file is not None
        wanted = min(READ_BYTES, self._file_bytes - position)
        return await asyncio.to_thread(os.pread, self._file.fileno(), wanted, position)

    def in_memory(self) -> bytes | None:
        """The whole body, if nothing of it lies on disk."""
        if not self.is_whole or self._file is not None:
            return None
        return self._tail if len(self._tail) == self.size_bytes else bytes(self._buffer)

    async def close(self) -> None:
        """Drop everything."""
        self._buffer = bytearray()
        self._tail = b""
        if self._move is not None:
            await asyncio.wait({self._move})
        await self._close_file()

    async def _spill(self) -> None:
        # A copy: a bytearray that a thread reads cannot grow, should the next piece come now.
        content = bytes(self._buffer)
        try:
            await asyncio.to_thread(self._write, content)
        except OSError as error:
            log.warning("a request's body cannot be kept on disk: %s", error.strerror)
            await self._drop()
        else:
            self._file_bytes += len(content)
            del self._buffer[: len(content)]

    def _write(self, content: bytes) -> None:
        if self._file is None:
            folder = self._limits.folder
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by close()
        view, position = memoryview(content), self._file_bytes
        while view:
            written = os.pwrite(self._file.fileno(), view, position)
            view, position = view[written:], position + written

    async def _drop(self) -> None:
        self.is_whole = False
        self._buffer = bytearray()
        await self._close_file()

    async def _close_file(self) -> None:
        if self._file is not None:
            await asyncio.to_thread(self._file.close)
            self._file = None
