"""``Spool``: the files of one request on disk, in a folder that goes with it.

All that touches the disk runs on a thread. What a request that is given up has begun is finished
before its folder is removed.
"""

import asyncio
import contextlib
import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from shared.errors import PayloadTooLarge
from shared.http import MAX_TIMEOUT_MS

SPOOL_PREFIX = "gantry-"
WRITE_BYTES = 256 * 1024  # a file is written in pieces of this size


@dataclass(frozen=True)
class UploadedFile:
    """A file of a request, spooled to disk until the request ends."""

    path: Path  # named by us, never by the client
    size_bytes: int
    sha256: str  # of the content, hexadecimal


class Spool:
    """Numbered files in one temporary folder, in whatever form they come."""

    def __init__(self, spool_dir: Path | None, max_files: int) -> None:
        """Nothing is on disk yet.

        Args:
            spool_dir: where the folder is made; None is the system's place for temporary files.
            max_files: most files.
        """
        self._spool_dir, self._max_files = spool_dir, max_files
        self._count = 0
        self._folder: Path | None = None
        self._opened = contextlib.ExitStack()
        self._work: asyncio.Future[None] | None = None  # on disk, the latest

    def create(self) -> "SpoolFile":
        """Begin one more file.

        Raises:
            PayloadTooLarge: there are too many.
        """
        if self._count >= self._max_files:
            raise PayloadTooLarge(f"more than {self._max_files} files in one request")
        self._count += 1
        return SpoolFile(self, f"{self._count:04d}")

    def open(self, name: str) -> tuple[Path, IO[bytes]]:
        """Open a new file for writing; not on the event loop."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix=SPOOL_PREFIX, dir=self._spool_dir))
        path = self._folder / name
        return path, self._opened.enter_context(path.open("wb"))

    async def run(self, work: Callable[[], None]) -> None:
        """Run ``work`` on a thread, to its end even if nobody waits for it any more."""
        self._work = asyncio.ensure_future(asyncio.to_thread(work))
        await asyncio.shield(self._work)

    async def remove(self) -> None:
        """Delete the folder, once nothing is written any more."""
        if self._work is not None:
            await asyncio.shield(asyncio.ensure_future(self._remove(self._work)))

    async def _remove(self, work: "asyncio.Future[None]") -> None:
        await asyncio.wait({work})
        work.exception()  # a request that was given up is not told of it
        if self._folder is not None:
            await asyncio.to_thread(self._delete, self._folder)

    def _delete(self, folder: Path) -> None:
        self._opened.close()
        shutil.rmtree(folder)


class SpoolFile:
    """A file being written, and hashed on the way."""

    def __init__(self, spool: Spool, name: str) -> None:
        """A file of ``spool``; it is made with its first bytes, or at its end."""
        self._spool, self._name = spool, name
        self._place: tuple[Path, IO[bytes]] | None = None
        self._digest = hashlib.sha256()
        self._size = 0
        self._pending = bytearray()

    def add(self, data: bytes) -> None:
        """Take some bytes; ``flush`` writes them."""
        self._pending += data

    async def flush(self) -> None:
        """Write what has come if it is worth the while."""
        if len(self._pending) >= WRITE_BYTES:
            data, self._pending = bytes(self._pending), bytearray()
            await self._spool.run(lambda: self._write(data))

    async def finish(self) -> UploadedFile:
        """Write the rest and close the file."""
        data, self._pending = bytes(self._pending), bytearray()
        await self._spool.run(lambda: self._write(data, is_last=True))
        assert self._place is not None
        return UploadedFile(self._place[0], self._size, self._digest.hexdigest())

    def _write(self, data: bytes, *, is_last: bool = False) -> None:
        if self._place is None:
            self._place = self._spool.open(self._name)
        _, file = self._place
        file.write(data)
        self._digest.update(data)
        self._size += len(data)
        if is_last:
            file.close()


def remove_leftovers(spool_dir: Path, *, older_than_s: float = MAX_TIMEOUT_MS / 1000) -> None:
    """Delete what killed processes left in a folder that is kept.

    Args:
        spool_dir: the folder, which other processes may be using.
        older_than_s: age from which no request can still be using a file.
    """
    for folder in spool_dir.glob(f"{SPOOL_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > older_than_s:
                shutil.rmtree(folder)
