"""The attempt loop: sends a request to a replica, and to another one when that breaks."""

import asyncio
import time

from gateway.body import RequestBody
from gateway.exchange import Exchange
from gateway.headers import request_headers
from gateway.metrics import GatewayMetrics
from gateway.registry import Registry
from gateway.replica import Replica
from gateway.selection import Selector
from gateway.upstream import UpstreamClient, UpstreamRequest, UpstreamResponse
from shared.errors import UpstreamBroken


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
        """Send through ``client`` to the replicas in ``registry``, with the services' token."""
        self._token = token
        self._registry = registry
        self._client = client
        self._selector = selector
        self._metrics = metrics

    async def run(self, exchange: Exchange, body: RequestBody) -> None:
        """Answer a request.

        Raises:
            NotReady: no replica takes work.
            UpstreamBroken: the replica could not be reached or broke off.
            GantryError: what is wrong with the body.
        """
        service = self._registry.services[exchange.route.service]
        replica = await self._selector.select(service, ())
        exchange.attempts += 1
        replica.in_flight += 1
        try:
            response = await self._send(exchange, body, replica)
            try:
                await _relay(exchange, response)
            finally:
                response.abort()
        except UpstreamBroken:
            self._metrics.attempts.labels(service.name, "lost").inc()
            replica.probe_now.set()
            if body.fault is not None:
                raise body.fault from None
            raise
        finally:
            replica.in_flight -= 1
        self._metrics.attempts.labels(service.name, "ok").inc()

    async def _send(
        self, exchange: Exchange, body: RequestBody, replica: Replica
    ) -> UpstreamResponse:
        left_s = exchange.deadline - asyncio.get_running_loop().time()
        request = UpstreamRequest(
            method=exchange.route.offer.method,
            url=replica.url + _target(exchange),
            headers=request_headers(
                exchange.scope["headers"],
                request_id=exchange.request_id,
                timeout_ms=int(left_s * 1000),
                token=self._token,
            ),
            body=body.payload(),
        )
        sent = time.perf_counter()
        try:
            return await self._client.send(request)
        finally:
            exchange.upstream_s += time.perf_counter() - sent


def _target(exchange: Exchange) -> str:
    raw_path: bytes = exchange.scope["raw_path"]
    query: bytes = exchange.scope["query_string"]
    target = raw_path.split(b"?", 1)[0]
    return (target + b"?" + query if query else target).decode("latin-1")


async def _relay(exchange: Exchange, response: UpstreamResponse) -> None:
    await exchange.start(response.status, response.headers)
    async for piece in response.chunks():
        await exchange.body(piece, more=True)
    await exchange.body(b"", more=False)
