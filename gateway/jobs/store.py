"""Jobs in the database: a table of leases.

A process that works on a job holds a lease and renews it; a job whose lease has run out may be
taken by anyone. A result counts only if the writer still holds the lease of the same attempt, so a
job may run twice but has one result.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeVar

from gateway.changed import Changed
from gateway.database import Database
from gateway.jobs.job import Job, JobStatus, Progress
from shared.errors import InvalidInput

T = TypeVar("T")

HeaderPairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class NewJob:
    """A job to store."""

    id: str
    owner: str
    service: str
    path: str
    query: str
    headers: HeaderPairs
    input_bytes: int
    timeout_s: float
    repeat_key: str | None = None  # Idempotency-Key
    digest: str | None = None  # of the request, to tell a repetition from another one


@dataclass(frozen=True)
class StoredAnswer:
    """Head of the answer that an attempt has written to its file."""

    status: int
    headers: HeaderPairs


class JobStore:
    """All jobs."""

    def __init__(self, database: Database, holder: str, lease_s: float = 15.0) -> None:
        """Use ``database``; leases are taken in the name of ``holder``, one per process."""
        self.lease_s = lease_s
        self._database = database
        self._holder = holder
        self.changed = Changed()  # some job has changed

    async def add(self, new: NewJob) -> Job:
        """Store a job; it is on the disk when this returns."""
        now = time.time()
        row = (
            new.id, new.owner, new.service, new.path, new.query, json.dumps(new.headers),
            new.input_bytes, now, now + new.timeout_s, now, new.repeat_key, new.digest,
        )  # fmt: skip

        def insert(db: sqlite3.Connection) -> Job:
            db.execute(
                "INSERT INTO jobs (id, owner, service, path, query, headers, input_bytes, "
                "created_at, deadline_at, not_before, repeat_key, digest, status) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued')",
                row,
            )
            return _with_event(db, new.id)

        return await self._write(insert)

    async def get(self, job_id: str) -> Job | None:
        """A job by its id."""
        return await self._database.read(lambda db: _get(db, job_id))

    async def repeated(self, owner: str, repeat_key: str, digest: str) -> Job | None:
        """The job that the same request with this key became, if there is one.

        Raises:
            InvalidInput: the key came with another request.
        """
        row = await self._database.read(
            lambda db: db.execute(
                "SELECT * FROM jobs WHERE owner = ? AND repeat_key = ?", (owner, repeat_key)
            ).fetchone()
        )
        if row is None:
            return None
        if row["digest"] != digest:
            raise InvalidInput("Idempotency-Key was used before with another request")
        return _job(row)

    async def of_owner(self, owner: str, limit: int) -> list[Job]:
        """The latest jobs of an owner, newest first."""
        return await self._database.read(
            lambda db: [
                _job(row)
                for row in db.execute(
                    "SELECT * FROM jobs WHERE owner = ? ORDER BY created_at DESC LIMIT ?",
                    (owner, limit),
                )
            ]
        )

    async def count_open(self, owner: str) -> int:
        """How many jobs of an owner are queued or running."""
        row = await self._database.read(
            lambda db: db.execute(
                "SELECT COUNT(*) FROM jobs WHERE owner = ? AND status IN ('queued', 'running')",
                (owner,),
            ).fetchone()
        )
        return int(row[0])

    async def events_after(self, job_id: str, number: int) -> list[tuple[int, str]]:
        """Events of a job that follow event ``number``: their numbers and JSON."""
        return await self._database.read(
            lambda db: [
                (row["number"], row["data"])
                for row in db.execute(
                    "SELECT number, data FROM job_events WHERE job_id = ? AND number > ? "
                    "ORDER BY number",
                    (job_id, number),
                )
            ]
        )

    async def claim(self, busy_services: Collection[str]) -> Job | None:
        """Take the oldest job that is due, of a service that is not in ``busy_services``."""
        busy = list(busy_services)
        marks = ", ".join("?" * len(busy))

        def take(db: sqlite3.Connection) -> Job | None:
            now = time.time()
            row = db.execute(
                "SELECT id FROM jobs WHERE ((status = 'queued' AND not_before <= ?) "
                f"OR (status = 'running' AND lease_until <= ?)) AND service NOT IN ({marks}) "
                "ORDER BY created_at LIMIT 1",
                (now, now, *busy),
            ).fetchone()
            if row is None:
                return None
            db.execute(
                "UPDATE jobs SET status = 'running', attempt = attempt + 1, lease_holder = ?, "
                "lease_until = ?, started_at = COALESCE(started_at, ?) WHERE id = ?",
                (self._holder, now + self.lease_s, now, row["id"]),
            )
            return _with_event(db, row["id"])

        job = await self._database.write(take)
        if job is not None:  # a look that found nothing must not wake those who look
            self.changed.notify()
        return job

    async def next_due(self) -> float | None:
        """Unix time at which a job is due next, whether that has passed or not."""
        row = await self._database.read(
            lambda db: db.execute(
                "SELECT MIN(CASE status WHEN 'queued' THEN not_before ELSE lease_until END) "
                "FROM jobs WHERE status IN ('queued', 'running')"
            ).fetchone()
        )
        return None if row[0] is None else float(row[0])

    async def renew(self, job: Job, progress: Progress | None) -> bool:
        """Prolong the lease and note progress.

        Returns:
            Whether the job is still ours; it may have been cancelled or taken over.
        """

        def update(db: sqlite3.Connection) -> bool:
            held = self._held(db, job, "lease_until = ?", (time.time() + self.lease_s,))
            if held and progress is not None:
                values = (progress.stage, progress.done, progress.total, job.id)
                db.execute("UPDATE jobs SET stage = ?, done = ?, total = ? WHERE id = ?", values)
                _with_event(db, job.id)
            return held

        return await self._write(update)

    async def finish(self, job: Job, status: JobStatus, answer: StoredAnswer | None) -> bool:
        """End a job of ours; returns False, and changes nothing, if it is ours no more."""
        values = (
            status.value,
            time.time(),
            answer.status if answer else None,
            json.dumps(answer.headers) if answer else None,
        )

        def update(db: sqlite3.Connection) -> bool:
            fields = "status = ?, finished_at = ?, result_status = ?, result_headers = ?"
            held = self._held(db, job, fields, values)
            if held:
                _with_event(db, job.id)
            return held

        return await self._write(update)

    async def put_back(self, job: Job, delay_s: float) -> bool:
        """Queue a job of ours again, for an attempt after ``delay_s``."""

        def update(db: sqlite3.Connection) -> bool:
            fields = "status = 'queued', not_before = ?, lease_holder = NULL"
            held = self._held(db, job, fields, (time.time() + delay_s,))
            if held:
                _with_event(db, job.id)
            return held

        return await self._write(update)

    async def cancel(self, job_id: str) -> Job | None:
        """Cancel a job unless it has ended; returns it as it is then."""

        def update(db: sqlite3.Connection) -> Job | None:
            cursor = db.execute(
                "UPDATE jobs SET status = 'cancelled', finished_at = ? "
                "WHERE id = ? AND status IN ('queued', 'running')",
                (time.time(), job_id),
            )
            return _with_event(db, job_id) if cursor.rowcount else _get(db, job_id)

        return await self._write(update)

    async def expire(self, finished_before: float) -> list[str]:
        """Mark ended jobs as expired; returns their ids, whose files may go."""

        def update(db: sqlite3.Connection) -> list[str]:
            rows = db.execute(
                "UPDATE jobs SET expired = 1, repeat_key = NULL "
                "WHERE expired = 0 AND finished_at < ? RETURNING id",
                (finished_before,),
            ).fetchall()
            return [row["id"] for row in rows]

        return await self._write(update)

    async def forget(self, finished_before: float) -> None:
        """Delete expired jobs, with their events, as if they had never been."""
        await self._database.write(
            lambda db: db.execute(
                "DELETE FROM jobs WHERE expired = 1 AND finished_at < ?", (finished_before,)
            )
        )

    def _held(
        self, db: sqlite3.Connection, job: Job, fields: str, values: tuple[object, ...]
    ) -> bool:
        cursor = db.execute(
            f"UPDATE jobs SET {fields} WHERE id = ? AND status = 'running' AND attempt = ? "
            "AND lease_holder = ?",
            (*values, job.id, job.attempt, self._holder),
        )
        return cursor.rowcount == 1

    async def _write(self, change: Callable[[sqlite3.Connection], T]) -> T:
        result = await self._database.write(change)
        self.changed.notify()
        return result


def _get(db: sqlite3.Connection, job_id: str) -> Job | None:
    row = db.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
    return _job(row) if row else None


def _with_event(db: sqlite3.Connection, job_id: str) -> Job:
    job = _get(db, job_id)
    assert job is not None
    db.execute(
        "INSERT INTO job_events (job_id, number, data) "
        "SELECT ?, COALESCE(MAX(number), 0) + 1, ? FROM job_events WHERE job_id = ?",
        (job_id, json.dumps(job.shown()), job_id),
    )
    return job


def _pairs(text: str | None) -> HeaderPairs:
    return tuple((key, value) for key, value in json.loads(text)) if text else ()


def _job(row: sqlite3.Row) -> Job:
    return Job(
        id=row["id"],
        owner=row["owner"],
        service=row["service"],
        path=row["path"],
        query=row["query"],
        headers=_pairs(row["headers"]),
        input_bytes=row["input_bytes"],
        status=JobStatus(row["status"]),
        attempt=row["attempt"],
        progress=Progress(row["stage"], row["done"], row["total"]),
        created_at=row["created_at"],
        deadline_at=row["deadline_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        result_status=row["result_status"],
        result_headers=_pairs(row["result_headers"]),
        is_expired=bool(row["expired"]),
    )
