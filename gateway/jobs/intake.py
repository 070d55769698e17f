"""Takes a request as a job: body to a file, row to the database, then 202."""

import asyncio
import uuid
from dataclasses import dataclass

from gateway.body import RequestBody
from gateway.exchange import Exchange
from gateway.gate import caller_of
from gateway.headers import REPLACED_IN_REQUEST
from gateway.jobs.files import DurableFile, JobFiles
from gateway.jobs.job import Job
from gateway.jobs.store import JobStore, NewJob
from shared.errors import QuotaExceeded
from shared.http import Scope, header, timeout_ms_of

BLOCK_BYTES = 2**20
HOPS_HEADER = "x-hops"
"""Kept with a job, so that a job is no way around the limit on calls between services."""
NOT_STORED = REPLACED_IN_REQUEST | {b"prefer", b"idempotency-key"}


@dataclass(frozen=True)
class IntakeLimits:
    """Bounds of what is taken."""

    timeout_s: float = 6 * 3600.0  # of a job that names none
    max_open_per_owner: int = 1000


def wants_job(scope: Scope) -> bool:
    """Whether the client prefers to be answered later (RFC 7240)."""
    preferences = (header(scope, b"prefer") or "").lower().split(",")
    return any(each.strip() == "respond-async" for each in preferences)


class Intake:
    """Accepts jobs."""

    def __init__(self, store: JobStore, files: JobFiles, limits: IntakeLimits) -> None:
        """Keep jobs in ``store`` and their inputs in ``files``."""
        self._store = store
        self._files = files
        self._limits = limits

    async def accept(self, exchange: Exchange, body: RequestBody) -> Job:
        """Store a request as a job; when this returns, nothing can lose it.

        A request that comes again under its Idempotency-Key is the job that it became before.

        Raises:
            QuotaExceeded: the caller has too many open jobs.
            InvalidInput: the Idempotency-Key came before with another request.
            StorageFull: the disk has no room for it.
            GantryError: what is wrong with the body.
        """
        scope, owner = exchange.scope, caller_of(exchange.scope).owner
        if await self._store.count_open(owner) >= self._limits.max_open_per_owner:
            raise QuotaExceeded(
                f"{self._limits.max_open_per_owner} open jobs are allowed; wait for some to end",
                retry_after_s=30,
            )
        announced = int(header(scope, b"content-length") or 0)
        await asyncio.to_thread(self._files.make_room, announced)
        job_id, repeat_key = uuid.uuid4().hex, header(scope, b"idempotency-key")
        is_kept = False
        try:
            size_bytes = await self._save(job_id, body)
            digest = await _digest(exchange, body) if repeat_key else None
            if repeat_key and digest:
                known = await self._store.repeated(owner, repeat_key, digest)
                if known is not None:
                    return known
            job = await self._store.add(
                NewJob(
                    id=job_id,
                    owner=owner,
                    service=exchange.route.service,
                    path=exchange.path,
                    query=scope["query_string"].decode("latin-1"),
                    headers=_stored_headers(scope),
                    input_bytes=size_bytes,
                    timeout_s=timeout_ms_of(scope, int(self._limits.timeout_s * 1000)) / 1000,
                    repeat_key=repeat_key,
                    digest=digest,
                )
            )
            is_kept = True
            return job
        finally:
            if not is_kept:
                await asyncio.to_thread(self._files.remove, job_id)

    async def _save(self, job_id: str, body: RequestBody) -> int:
        payload = body.payload()
        file = await asyncio.to_thread(DurableFile, self._files.input(job_id))
        size_bytes, block = 0, bytearray()
        try:
            if isinstance(payload, bytes):
                block += payload
            elif payload is not None:
                async for piece in payload:
                    block += piece
                    if len(block) >= BLOCK_BYTES:
                        size_bytes += len(block)
                        await asyncio.to_thread(file.write, bytes(block))
                        block.clear()
            await asyncio.to_thread(file.write, bytes(block))
            await asyncio.to_thread(file.commit)
        except BaseException:
            await asyncio.to_thread(file.discard)
            raise
        return size_bytes + len(block)


def _stored_headers(scope: Scope) -> tuple[tuple[str, str], ...]:
    kept = [
        (key.decode("latin-1"), value.decode("latin-1"))
        for key, value in scope["headers"]
        if key not in NOT_STORED
    ]
    return (*kept, (HOPS_HEADER, str(caller_of(scope).hops)))


async def _digest(exchange: Exchange, body: RequestBody) -> str:
    query = exchange.scope["query_string"].decode("latin-1")
    return f"{exchange.path}?{query} {await body.read_to_end()}"
