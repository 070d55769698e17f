"""The attempt loop: sends a request to a replica, and to another one when that breaks.

Another attempt is made only before the first byte of an answer, within the request's deadline,
within a budget per service, and only with a body that can be sent again.
"""

import asyncio
import logging
import time
from collections import defaultdict

from gateway.begun import Begun
from gateway.body import Body
from gateway.exchange import Exchange
from gateway.gate import caller_of
from gateway.headers import TRACE, own_lines, request_headers
from gateway.metrics import GatewayMetrics
from gateway.outcome import Failure, Outcome, Tally, WholeAnswer, failure_in
from gateway.registry import Registry
from gateway.replica import Replica
from gateway.retry_budget import RetryBudget
from gateway.selection import Selector
from gateway.service import Service
from gateway.upstream import (
    ConnectionLost,
    NotConnected,
    UpstreamClient,
    UpstreamRequest,
    UpstreamResponse,
)
from shared.errors import UpstreamBroken
from shared.http import header

log = logging.getLogger(__name__)

SHORT_BYTES = 64 * 1024  # an answer up to here is not streamed
SERVER_FAULTS = (500, 502)
PIN = b"x-service-version"


class Attempts:
    """Takes requests to replicas."""

    def __init__(
        self,
        registry: Registry,
        client: UpstreamClient,
        selector: Selector,
        metrics: GatewayMetrics,
        *,
        token: str | None = None,
    ) -> None:
        """Send through ``client`` to the replicas in ``registry``, with the services' token.

        Made inside the event loop.
        """
        self._registry = registry
        self._client = client
        self._selector = selector
        self._metrics = metrics
        self._token = token
        self._clock = asyncio.get_running_loop().time
        self._budgets: dict[str, RetryBudget] = defaultdict(RetryBudget)

    def expect(self, service: str) -> None:
        """Note a request to a service, whose retries it pays a share of."""
        self._budgets[service].deposit()

    async def run(self, exchange: Exchange, body: Body) -> None:
        """Answer a request, from its first attempt on if that was begun.

        Raises:
            NotReady: no replica takes work.
            UpstreamBroken: the replica could not be reached or broke off.
            GantryError: what is wrong with the body.
        """
        service = self._registry.services[exchange.route.service]
        pin = header(exchange.scope, PIN)
        tried: set[str] = set()
        tally = Tally()
        begun = exchange.begun
        if begun is None:
            self.expect(service.name)
        while True:
            if begun is not None:
                replica = begun.replica
            else:
                replica = self._selector.select_now(
                    service, tried, pin
                ) or await self._selector.select(service, tried, pin)
            tried.add(replica.id)
            failure = await self._attempt(exchange, body, replica, begun)
            if failure is None:
                return
            begun = None
            if body.fault is not None:
                raise body.fault
            if not self._may_try_again(failure, exchange, body, service, tried, tally):
                await _give(exchange, failure)
                return

    def _may_try_again(  # noqa: PLR0913, PLR0917 - all of it decides
        self,
        failure: Failure,
        exchange: Exchange,
        body: Body,
        service: Service,
        tried: set[str],
        tally: Tally,
    ) -> bool:
        if not body.is_replayable or not tally.allows_another_after(failure):
            return False
        if failure.is_started and not exchange.route.offer.replayable:
            return False
        if failure.outcome is Outcome.BUSY and not self._selector.has_other(service, tried):
            return False
        if failure.outcome is Outcome.REFUSED:
            return True  # costs the services nothing
        if not self._budgets[service.name].withdraw():
            log.warning("%s: the retry budget is used up", service.name)
            return False
        return True

    async def _attempt(
        self, exchange: Exchange, body: Body, replica: Replica, begun: Begun | None
    ) -> Failure | None:
        exchange.attempts += 1
        exchange.replica_url = replica.url
        with begun.attempt if begun is not None else replica.attempt() as attempt:
            try:
                response = await self._head(exchange, body, replica, begun)
                attempt.is_waiting = False
                failure = await self._consume(exchange, response, replica)
            except NotConnected as error:
                self._registry.report_refused(replica)
                failure = Failure(Outcome.REFUSED, error)
            except ConnectionLost as error:
                replica.probe_now.set()
                if exchange.has_started:
                    self.note(replica, Outcome.LOST, has_failed=True)
                    raise
                failure = Failure(Outcome.LOST, error)
            except asyncio.CancelledError:
                if not attempt.caught():
                    raise
                failure = Failure(Outcome.HUNG, UpstreamBroken("the service stopped to answer"))
        if failure is not None and body.fault is None:
            self.note(replica, failure.outcome, has_failed=failure.outcome is not Outcome.BUSY)
        return failure

    async def _head(
        self, exchange: Exchange, body: Body, replica: Replica, begun: Begun | None
    ) -> UpstreamResponse:
        """Send the request, unless that is done, and wait for the head of the answer."""
        sent = begun.sent if begun is not None else time.perf_counter()
        try:
            if begun is not None:
                return await begun.head()
            return await self._client.send(self._request(exchange, body, replica))
        finally:
            exchange.upstream_s += time.perf_counter() - sent

    def _request(self, exchange: Exchange, body: Body, replica: Replica) -> UpstreamRequest:
        left_s = exchange.deadline - asyncio.get_running_loop().time()
        length = header(exchange.scope, b"content-length")
        headers = request_headers(exchange.scope["headers"])
        return UpstreamRequest(
            method=exchange.route.offer.method,
            origin=replica.url,
            target=_target(exchange),
            headers=headers,
            own_lines=own_lines(
                exchange.request_id,
                timeout_ms=int(left_s * 1000),
                caller=caller_of(exchange.scope),
                token=self._token,
                has_trace=any(key == TRACE for key, _ in headers),
            ),
            body=body.payload(),
            length_bytes=int(length) if length is not None else None,
        )

    async def _consume(
        self, exchange: Exchange, response: UpstreamResponse, replica: Replica
    ) -> Failure | None:
        """Pass the answer on, unless it only says that the work was not done."""
        try:
            # A short answer is read before any of it is sent: if it breaks off, it can be tried
            # again. Most have come whole with their head.
            content = response.whole()
            if content is None and is_short(response):
                content = b"".join([piece async for piece in response.chunks()])
            if content is None:
                await _relay(exchange, response)
            else:
                answer = WholeAnswer(response.status, response.headers, content)
                failure = failure_in(answer)
                if failure is not None:
                    return failure
                await exchange.answer(answer)
        finally:
            response.abort()
        self.note(replica, Outcome.OK, has_failed=response.status in SERVER_FAULTS)
        return None

    def note(self, replica: Replica, outcome: Outcome, *, has_failed: bool) -> None:
        """Count how an attempt ended, and let the replica rest if it keeps failing."""
        self._metrics.count_attempt(replica.service, outcome)
        now = self._clock()
        if not has_failed:
            replica.outlier.succeeded(now)
        elif replica.outlier.failed(now):
            log.warning("%s at %s is ejected: it keeps failing", replica.service, replica.url)


def _target(exchange: Exchange) -> bytes:
    raw_path: bytes = exchange.scope["raw_path"]
    query: bytes = exchange.scope["query_string"]
    target = raw_path.split(b"?", 1)[0]
    return target + b"?" + query if query else target


def is_short(response: UpstreamResponse) -> bool:
    """Whether an answer announces that it is short enough to be held until it is whole."""
    for key, value in response.headers:
        if key == b"content-length":
            return value.isdigit() and int(value) <= SHORT_BYTES
    return False


async def _relay(exchange: Exchange, response: UpstreamResponse) -> None:
    await exchange.start(response.status, response.headers)
    async for piece in response.chunks():
        await exchange.body(piece, more=True)
    await exchange.body(b"", more=False)


async def _give(exchange: Exchange, failure: Failure) -> None:
    if failure.answer is None:
        raise failure.error
    await exchange.answer(failure.answer)
