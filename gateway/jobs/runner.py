"""Runs jobs: takes those that are due, sends each to its service as any request, keeps its lease.

Several processes may run jobs of one database; leases keep them apart.
"""

import asyncio
import contextlib
import functools
import json
import logging
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.admission import Admission, Priority
from gateway.attempts import Attempts
from gateway.auth import Caller
from gateway.exchange import Exchange
from gateway.jobs.files import JobFiles
from gateway.jobs.intake import HOPS_HEADER
from gateway.jobs.job import Job, JobStatus, Progress
from gateway.jobs.store import JobStore, StoredAnswer
from gateway.jobs.streams import FileBody, FileSink
from gateway.registry import Registry
from gateway.routing_table import Route, WrongMethod
from gateway.upstream import UpstreamClient, UpstreamRequest
from shared.errors import DeadlineExceeded, GantryError, NotReady, UpstreamBroken
from shared.http import Scope
from shared.log import request_id_var

log = logging.getLogger(__name__)

ATTEND_S = 1.0  # between looks at a running job
RETRY_STATUSES = frozenset({429, 500, 502, 503})
MAX_FAULTS = 3  # attempts that ended in 500: then the input is taken to be the cause
MAX_ATTEMPTS = 50
RETRY_DELAYS_S = (0.5, 1, 2, 5, 10, 30)
SWEEP_S = 60.0
PATH_CHARACTERS = "/:@!$&'()*+,;=-._~"  # that stand for themselves in a path (RFC 3986)


@dataclass(frozen=True)
class RunnerOptions:
    """Bounds of a runner."""

    per_service: int = 4  # most jobs of one service at a time
    ttl_s: float = 86_400.0  # how long a result is kept
    token: str | None = None  # what the services ask for


class JobRunner:
    """Runs the jobs of one process."""

    def __init__(
        self,
        store: JobStore,
        files: JobFiles,
        registry: Registry,
        attempts: Attempts,
        admission: Admission,
        client: UpstreamClient,
        options: RunnerOptions,
    ) -> None:
        """Run jobs through ``attempts``.

        Args:
            store: the jobs.
            files: their inputs and results.
            registry: where each path leads.
            attempts: sends them.
            admission: shares the services with requests that are waited for.
            client: asks services for progress.
            options: bounds.
        """
        self._store = store
        self._files = files
        self._registry = registry
        self._attempts = attempts
        self._admission = admission
        self._client = client
        self._options = options
        self._running: dict[str, asyncio.Task[None]] = {}  # by id of the job
        self._services: Counter[str] = Counter()  # running jobs by service

    async def run(self) -> None:
        """Run jobs until cancelled; then hand the unfinished ones back."""
        sweeper = asyncio.ensure_future(self._sweep())
        try:
            while True:
                changed = asyncio.ensure_future(self._store.changed.wait())
                try:
                    await self._start_due()
                    await asyncio.wait([changed], timeout=await self._pause_s())
                finally:
                    changed.cancel()
        finally:
            tasks = [sweeper, *self._running.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self, job_id: str) -> None:
        """End the work on a job that was cancelled; the service sees its client leave."""
        task = self._running.get(job_id)
        if task is not None:
            task.cancel()

    async def _start_due(self) -> None:
        while True:
            most = self._options.per_service
            full = [name for name, count in self._services.items() if count >= most]
            # A service that has not told what it offers cannot be asked yet.
            job = await self._store.claim([*full, *self._registry.unanswered()])
            if job is None:
                return
            self._services[job.service] += 1
            task = asyncio.ensure_future(self._run(job))
            self._running[job.id] = task
            task.add_done_callback(functools.partial(self._ended, job))

    def _ended(self, job: Job, task: asyncio.Task[None]) -> None:
        self._running.pop(job.id, None)
        self._services[job.service] -= 1
        self._store.changed.notify()
        if not task.cancelled() and task.exception() is not None:
            log.error("job %s: unforeseen error", job.id, exc_info=task.exception())

    async def _pause_s(self) -> float | None:
        due = await self._store.next_due()
        # A job that is due and was not taken waits for a place; that its end is a change, too.
        return None if due is None else max(ATTEND_S, due - time.time())

    async def _run(self, job: Job) -> None:
        request_id_var.set(job.id)
        sink = FileSink(self._files.result(job.id, job.attempt))
        try:
            with self._attended(job) as exchange_box:
                await self._answer(job, sink, exchange_box)
            await self._settle(job, sink)
        except asyncio.CancelledError:
            # Cancelled by its owner: the store knows. Else this process ends: hand it back.
            with contextlib.suppress(asyncio.CancelledError):
                await self._store.put_back(job, 0.0)
            raise
        finally:
            await sink.discard()

    async def _answer(self, job: Job, sink: FileSink, box: list[Exchange]) -> None:
        exchange: Exchange | None = None
        try:
            route = self._route(job)
            exchange = Exchange(_scope(job), sink, route)
            box.append(exchange)
            left_s = job.deadline_at - time.time()
            exchange.deadline = asyncio.get_running_loop().time() + left_s
            body = FileBody(self._files.input(job.id), job.input_bytes)
            async with (
                asyncio.timeout(left_s),
                self._admission.slot(job.service, Priority.BULK, left_s),
            ):
                await self._attempts.run(exchange, body)
        except TimeoutError:
            await _fail(exchange, DeadlineExceeded("the job's time ran out"))
        except GantryError as error:
            log.info("job %s: attempt %d: %s", job.id, job.attempt, error.code)
            await _fail(exchange, error)

    def _route(self, job: Job) -> Route:
        try:
            route = self._registry.table.find(job.path, "POST")
        except WrongMethod:
            route = None
        if route is None:
            raise NotReady(f"{job.service} does not offer {job.path} at present")
        return route

    async def _settle(self, job: Job, sink: FileSink) -> None:
        answer = sink.answer if sink.is_complete else None
        if answer is not None and answer.status < 300:
            await self._store.finish(job, JobStatus.SUCCEEDED, answer)
        elif self._may_try_again(job, answer):
            delay_s = RETRY_DELAYS_S[min(job.attempt - 1, len(RETRY_DELAYS_S) - 1)]
            await self._store.put_back(job, delay_s)
        else:
            await self._store.finish(job, JobStatus.FAILED, answer)

    def _may_try_again(self, job: Job, answer: StoredAnswer | None) -> bool:
        if job.attempt >= MAX_ATTEMPTS or time.time() >= job.deadline_at:
            return False
        if answer is None:
            return True  # broken off, or the path is not offered at present
        if answer.status == 500:
            return job.attempt < MAX_FAULTS
        return answer.status in RETRY_STATUSES

    @contextlib.contextmanager
    def _attended(self, job: Job) -> Iterator[list[Exchange]]:
        """Keep the lease and note progress inside the block; ends the work if the lease is lost."""
        task = asyncio.current_task()
        assert task is not None
        box: list[Exchange] = []
        attendant = asyncio.ensure_future(self._attend(job, task, box))
        try:
            yield box
        finally:
            attendant.cancel()

    async def _attend(self, job: Job, task: asyncio.Task[None], box: list[Exchange]) -> None:
        known, renewed = Progress(), time.monotonic()
        while True:
            await asyncio.sleep(min(ATTEND_S, self._store.lease_s / 4))
            progress = await self._progress(job, box)
            is_news = progress is not None and progress != known
            if not is_news and time.monotonic() - renewed < self._store.lease_s / 3:
                continue
            if not await self._store.renew(job, progress if is_news else None):
                task.cancel()
                return
            known, renewed = progress or known, time.monotonic()

    async def _progress(self, job: Job, box: list[Exchange]) -> Progress | None:
        url = box[0].replica_url if box else None
        if url is None:
            return None
        token = self._options.token
        headers = [(b"x-internal-token", token.encode())] if token else []
        request = UpstreamRequest("GET", url, f"/progress/{job.id}".encode(), headers)
        try:
            async with asyncio.timeout(ATTEND_S):
                response = await self._client.send(request)
                try:
                    content = b"".join([piece async for piece in response.chunks()])
                finally:
                    response.abort()
            shown = json.loads(content) if response.status == 200 else None
            if shown is None:
                return None
            return Progress(shown.get("stage"), float(shown["done"]), float(shown["total"]))
        except (UpstreamBroken, TimeoutError, ValueError, KeyError, TypeError, AttributeError):
            return None  # not every service tells; the job goes on

    async def _sweep(self) -> None:
        while True:
            oldest = time.time() - self._options.ttl_s
            for job_id in await self._store.expire(oldest):
                await asyncio.to_thread(self._files.remove, job_id)
            await self._store.forget(oldest - self._options.ttl_s)  # 410 until then, 404 from then
            await asyncio.sleep(SWEEP_S)


async def _fail(exchange: Exchange | None, error: GantryError) -> None:
    if exchange is not None and not exchange.has_started:
        await exchange.fail(error)


def _scope(job: Job) -> Scope:
    raw_path = urllib.parse.quote(job.path, safe=PATH_CHARACTERS).encode()
    headers = [(key.encode("latin-1"), value.encode("latin-1")) for key, value in job.headers]
    if job.input_bytes:
        headers.append((b"content-length", str(job.input_bytes).encode()))
    headers.append((b"x-request-id", job.id.encode()))
    hops = int(dict(job.headers).get(HOPS_HEADER, "0"))
    return {
        "state": {"caller": Caller(is_internal=True, on_behalf_of=job.owner, hops=hops)},
        "type": "http",
        "method": "POST",
        "path": job.path,
        "raw_path": raw_path,
        "query_string": job.query.encode("latin-1"),
        "headers": headers,
    }
