"""The gateway's state on disk: one SQLite file, one connection, one thread that uses it.

A commit is on the disk when it returns (write-ahead log, full synchronisation): what the gateway
has acknowledged survives a kill and a power cut.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from gateway.schema import MIGRATIONS

T = TypeVar("T")

DATABASE_FILE = "gateway.sqlite"  # in the folder of the gateway's state
BUSY_TIMEOUT_S = 10.0


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, creating folder and tables that are missing.

    The folder is for this user only: it holds hashes of keys and inputs of jobs.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    with transaction(connection):
        done = connection.execute("PRAGMA user_version").fetchone()[0]
        for number, statements in enumerate(MIGRATIONS[done:], start=done + 1):
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={number}")
    return connection


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Commit at the end of the block, or undo all of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


class Database:
    """The file, for use from the event loop."""

    def __init__(self, path: Path) -> None:
        """Know the path; nothing is opened yet."""
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database")
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Open the file."""
        self._connection = await self._run(lambda: connect(self._path))

    async def close(self) -> None:
        """Finish what was begun and close the file."""
        if self._connection is not None:
            await self._run(self._connection.close)
        self._thread.shutdown(wait=False)

    async def write(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``change`` in a transaction; it is on the disk when this returns."""
        connection = self._open_connection()

        def run() -> T:
            with transaction(connection):
                return change(connection)

        return await self._run(run)

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``query``, which changes nothing."""
        connection = self._open_connection()
        return await self._run(lambda: query(connection))

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("the database is not open")
        return self._connection

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
