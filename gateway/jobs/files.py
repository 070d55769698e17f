"""Inputs and results of jobs as files; everything here blocks and is called in a thread.

Names are made of the job's id, which is ours, and never of anything that a client sent.
"""

import contextlib
import os
from pathlib import Path


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
        """Append ``content``."""
        self._file.write(content)

    def commit(self) -> None:
        """Close the file, with its bytes and its name on the disk."""
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
            self._file.close()
            self._path.unlink(missing_ok=True)
