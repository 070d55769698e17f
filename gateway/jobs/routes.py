"""Paths of jobs on the public listener."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse

from gateway.gate import caller_of
from gateway.jobs.files import JobFiles
from gateway.jobs.job import Job, JobStatus
from gateway.jobs.runner import JobRunner
from gateway.jobs.store import JobStore
from shared.errors import BadRequest, Conflict, Gone, NotFound

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

HEARTBEAT_S = 15.0
HEAD_ONLY = frozenset({"content-length", "x-request-id", "server-timing", "date"})
"""Headers of a stored answer that are made anew when it is handed out."""


@router.get("")
async def list_jobs(
    request: Request, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> dict[str, Any]:
    """List the caller's jobs, newest first."""
    store: JobStore = request.app.state.job_store
    jobs = await store.of_owner(caller_of(request.scope).owner, limit)
    return {"object": "list", "data": [job.shown() for job in jobs]}


@router.get("/{job_id}")
async def get_job(request: Request, job_id: str) -> dict[str, Any]:
    """Show one job."""
    return (await _own_job(request, job_id)).shown()


@router.delete("/{job_id}")
async def cancel_job(request: Request, job_id: str) -> dict[str, Any]:
    """Cancel a job; one that has ended stays as it is."""
    await _own_job(request, job_id)
    store: JobStore = request.app.state.job_store
    runner: JobRunner = request.app.state.job_runner
    job = await store.cancel(job_id)
    assert job is not None
    if job.status is JobStatus.CANCELLED:
        runner.stop(job_id)
    return job.shown()


@router.get("/{job_id}/result")
async def get_result(request: Request, job_id: str) -> Response:
    """The answer of the request, as the service gave it; 409 until there is one."""
    job = await _own_job(request, job_id)
    if job.is_expired:
        raise Gone("the result was deleted; its time was over")
    if job.result_status is None:
        raise Conflict(f"there is no result: the job is {job.status}")
    files: JobFiles = request.app.state.job_files
    headers = {key: value for key, value in job.result_headers if key not in HEAD_ONLY}
    return FileResponse(
        files.result(job.id, job.attempt), status_code=job.result_status, headers=headers
    )


@router.get("/{job_id}/events")
async def follow_job(request: Request, job_id: str) -> Response:
    """Server-sent events of a job; ``Last-Event-ID`` resumes after the event of that number."""
    job = await _own_job(request, job_id)
    last = request.headers.get("last-event-id", "0")
    if not last.isascii() or not last.isdigit() or len(last) > 12:
        raise BadRequest("Last-Event-ID must be the number of an event")
    store: JobStore = request.app.state.job_store
    return StreamingResponse(
        _events(store, job.id, int(last)),
        media_type="text/event-stream",
        headers={"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"},
    )


async def _events(store: JobStore, job_id: str, last: int) -> AsyncIterator[str]:
    beat = time.monotonic()
    while True:
        changed = asyncio.ensure_future(store.changed.wait())
        try:
            job = await store.get(job_id)  # before its events: none may come after a final state
            for number, data in await store.events_after(job_id, last):
                last, beat = number, time.monotonic()
                yield f"id: {number}\nevent: job\ndata: {data}\n\n"
            if job is None or job.status.is_final:
                return
            left_s = max(0.0, beat + HEARTBEAT_S - time.monotonic())
            done, _ = await asyncio.wait([changed], timeout=left_s)
            if not done:
                beat = time.monotonic()
                yield ": still here\n\n"
        finally:
            changed.cancel()


async def _own_job(request: Request, job_id: str) -> Job:
    store: JobStore = request.app.state.job_store
    job = await store.get(job_id)
    if job is None or job.owner != caller_of(request.scope).owner:
        raise NotFound(f"there is no job {job_id!r}")
    return job
