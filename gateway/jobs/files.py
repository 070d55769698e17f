"""Inputs and results of jobs as files; everything here blocks and is called in a thread.

Names are made of the job's id, which is ours, and never of anything that a client sent.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from shared.errors import GantryError

SPARE_BYTES = 64 * 2**20  # of the disk, that jobs leave free


class StorageFull(GantryError):
    """The disk has no room for what is to be kept."""

    status = 507
    code = "insufficient_storage"


class JobFiles:
    """The folder of all jobs."""

    def __init__(self, folder: Path) -> None:
        """Use ``folder``; it is made when the first file is."""
        self._folder = folder

    def input(self, job_id: str) -> Path:
        """Body of the request."""
        return self._folder / f"{job_id}.input"

    def result(self, job_id: str, attempt: int) -> Path:
        """Body of the answer of one attempt; each attempt has its own."""
        return self._folder / f"{job_id}.{attempt}.result"

    def make_room(self, size_bytes: int) -> None:
        """Make the folder, and see that so many bytes more would fit.

        Raises:
            StorageFull: they would not.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if shutil.disk_usage(self._folder).free < size_bytes + SPARE_BYTES:
            raise StorageFull("the gateway's disk is nearly full: the job cannot be kept")

    def remove(self, job_id: str) -> None:
        """Delete all files of a job."""
        for path in self._folder.glob(f"{job_id}.*"):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()


class DurableFile:
    """A file that is written once and is on the disk when it is closed."""

    def __init__(self, path: Path) -> None:
        """Make the file, or empty it."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = path
        self._file = path.open("wb")

    def write(self, content: bytes) -> None:
        """Append ``content``.

        Raises:
            StorageFull: the disk has no room for it.
        """
        with _needing_room():
            self._file.write(content)

    def commit(self) -> None:
        """Close the file, with its bytes and its name on the disk.

        Raises:
            StorageFull: the disk has no room for them.
        """
        with _needing_room():
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def discard(self) -> None:
        """Close and delete the file; after ``commit`` nothing happens."""
        if not self._file.closed:
            with contextlib.suppress(OSError):  # closing writes what is left, which may not fit
                self._file.close()
            self._path.unlink(missing_ok=True)


@contextlib.contextmanager
def _needing_room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise StorageFull("the gateway's disk is full: this cannot be kept") from error
