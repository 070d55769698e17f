"""The data plane: takes an inference request to a replica and its answer back, as a stream.

Plain ASGI: no framework stands between the socket and the service, so that a client's leaving is
seen at once and no body is ever held whole.
"""

import asyncio
import functools
import logging
import time
from dataclasses import dataclass
from typing import Protocol

from gateway.admission import Admission, Priority, Slot
from gateway.attempts import Attempts
from gateway.body import RequestBody
from gateway.body_store import BodyStore, StoreLimits
from gateway.content_digest import ContentDigest
from gateway.exchange import Exchange
from gateway.gate import caller_of
from gateway.jobs.intake import Intake, wants_job
from gateway.metrics import GatewayMetrics
from gateway.once import Once
from gateway.quotas import Quotas
from gateway.routing_table import Route
from shared.errors import BadRequest, DeadlineExceeded, GantryError
from shared.http import Receive, Scope, Send, header, timeout_ms_of
from shared.log import AccessLog, request_id_var
from shared.request_layer import LOGGED_FROM_STATUS

log = logging.getLogger(__name__)

OVERLOAD_STATUSES = (503, 504)
PRIORITY = b"x-priority"


class Facts(Protocol):
    """What is recorded of an answered request."""

    route: Route
    request_id: str
    status: int
    attempts: int
    overhead_s: float  # time until the answer began that was the gateway's own

    @property
    def age_s(self) -> float:
        """Time since its head arrived."""


@dataclass(frozen=True)
class DataPlaneOptions:
    """How requests are treated."""

    access_log: AccessLog = "all"
    store: StoreLimits = StoreLimits()


class DataPlane:
    """Answers inference requests."""

    def __init__(
        self,
        attempts: Attempts,
        admission: Admission,
        quotas: Quotas,
        intake: Intake,
        metrics: GatewayMetrics,
        options: DataPlaneOptions,
    ) -> None:
        """Answer through ``attempts`` what ``quotas`` and ``admission`` let in.

        A request that asks to be answered later goes to ``intake`` instead.
        """
        self._attempts = attempts
        self._admission = admission
        self._quotas = quotas
        self._intake = intake
        self._once = Once()
        self._metrics = metrics
        self._options = options
        self._logged_from = LOGGED_FROM_STATUS[options.access_log]

    async def __call__(self, route: Route, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(scope, send, route)
        token = request_id_var.set(exchange.request_id)
        if exchange.begun is None:
            self.begins()
        try:
            await self._answer(exchange, receive)
        finally:
            self.ends(exchange)
            request_id_var.reset(token)

    async def _answer(self, exchange: Exchange, receive: Receive) -> None:
        guard = exchange.guard
        try:
            await self._guarded(exchange, receive)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if guard.ending is None or task is None:
                raise  # the server stops: pass it on
            task.uncancel()
            if exchange.is_gone:
                self.loses_client(exchange.route)
            else:
                await exchange.fail(
                    DeadlineExceeded("the request's time ran out before it was answered")
                )
        except GantryError as error:
            if not exchange.is_gone:
                await exchange.fail(error)
        except Exception:  # the last handler of the data plane
            log.exception("unforeseen error")
            await exchange.fail(GantryError("an internal error happened; see the gateway's log"))

    async def _guarded(self, exchange: Exchange, receive: Receive) -> None:
        offer, scope = exchange.route.offer, exchange.scope
        begun = exchange.begun
        if begun is not None:
            left_s = begun.deadline - time.monotonic()
        else:
            left_s = timeout_ms_of(scope, offer.default_deadline_ms) / 1000
        exchange.deadline = asyncio.get_running_loop().time() + left_s
        key = header(scope, b"idempotency-key") if offer.method == "POST" else None
        body = RequestBody(
            scope,
            receive,
            limit_bytes=offer.max_body_bytes,
            store=BodyStore(self._options.store),
            on_gone=exchange.leave,
            digest=ContentDigest(header(scope, b"content-type")) if key is not None else None,
        )
        exchange.guard.start(exchange.deadline, body.watch)
        try:
            with begun.allowance if begun else self._quotas.use(caller_of(scope)) as headers:
                if headers:
                    exchange.add_headers(headers)
                if not body.is_read:
                    await body.begin()
                if key is None:
                    await self._work(exchange, body)
                else:
                    work = functools.partial(self._work, exchange, body)
                    await self._once.run(key, exchange, body, work)
        finally:
            exchange.guard.stop()
            if body.must_be_closed:
                await body.close()

    async def _work(self, exchange: Exchange, body: RequestBody) -> None:
        offer = exchange.route.offer
        if offer.job and offer.method == "POST" and wants_job(exchange.scope):
            job = await self._intake.accept(exchange, body)
            await exchange.accepted(job.id, job.shown())
        else:
            await self._admitted(exchange, body)

    async def _admitted(self, exchange: Exchange, body: RequestBody) -> None:
        async with self._slot(exchange) as slot:
            try:
                await self._attempts.run(exchange, body)
            except asyncio.CancelledError:
                slot.went_well = None if exchange.is_gone else False  # out of time
                raise
            slot.went_well = exchange.status not in OVERLOAD_STATUSES

    def _slot(self, exchange: Exchange) -> Slot:
        if exchange.begun is not None:
            return exchange.begun.slot
        priority = priority_from(header(exchange.scope, PRIORITY))
        remaining_s = exchange.deadline - asyncio.get_running_loop().time()
        return self._admission.slot(exchange.route.service, priority, remaining_s)

    def begins(self) -> None:
        """Count a request that is to be answered."""
        self._metrics.http.in_flight += 1

    def loses_client(self, route: Route) -> None:
        """Count a client that left before its answer was complete."""
        self._metrics.disconnects.labels(route.service).inc()

    def ends(self, facts: Facts) -> None:
        """Count a request that has ended, and log it as the options say."""
        self._metrics.http.in_flight -= 1
        route, status, age_s = facts.route, facts.status, facts.age_s
        self._metrics.count_request(route, status, age_s, facts.overhead_s)
        if status >= self._logged_from:
            token = request_id_var.set(facts.request_id)  # for the line in the log
            log.info(
                "%s %s %d %.1f ms attempts=%d",
                route.offer.method, route.offer.path, status, age_s * 1000, facts.attempts,
            )  # fmt: skip
            request_id_var.reset(token)


def priority_from(given: str | None) -> Priority:
    """The class that the value of ``X-Priority`` names.

    Raises:
        BadRequest: there is no such class.
    """
    if given is None:
        return Priority.INTERACTIVE
    try:
        return Priority(given.lower())
    except ValueError as error:
        raise BadRequest("X-Priority must be interactive or bulk") from error
