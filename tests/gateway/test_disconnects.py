"""A client that leaves, at every stage of its request: nothing of it may stay behind."""

import asyncio

import pytest

from tests.gateway.upstream import Upstream, read_body

HEAD = b"POST /v1/echo HTTP/1.1\r\nHost: x\r\n"
WHOLE = HEAD + b"Content-Length: 3\r\n\r\nabc"
KEYED = HEAD + b"Idempotency-Key: k\r\nContent-Length: 3\r\n\r\nabc"


class Slow(Upstream):
    """Reads the body and works until its client leaves, or streams without end."""

    def __init__(self, *, streams=False):
        super().__init__(handler=self.work)
        self.streams = streams
        self.reading = asyncio.Event()
        self.left = asyncio.Event()

    async def work(self, scope, receive, send):
        self.reading.set()
        if await read_body(receive) is not None:
            if self.streams:
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
            while (await receive())["type"] != "http.disconnect":
                pass
        self.left.set()


async def connect(client, content):
    reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
    writer.write(content)
    await writer.drain()
    return reader, writer


async def leave(writer):
    writer.transport.abort()


def traces_of(gateway):
    """What the gateway holds for requests."""
    state = gateway.parts.admission.state("work")
    return {
        "admitted": state["in_flight"],
        "waiting": state["waiting"],
        "sent": sum(replica.in_flight for replica in gateway.registry.replicas()),
        "begun": gateway.parts.metrics.http.in_flight,
    }


async def none_left(gateway):
    async with asyncio.timeout(10):
        while any(traces_of(gateway).values()):  # noqa: ASYNC110 - many things change them
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("stage", "sent"),
    [("head", HEAD), ("body", HEAD + b"Content-Length: 9\r\n\r\nabc"), ("work", WHOLE)],
)
async def test_client_leaves_while_its_request_is_under_way(gateway_over, stage, sent):
    upstream = Slow()
    async with gateway_over(upstream) as (gateway, client, _urls):
        _, writer = await connect(client, sent)
        if stage != "head":
            await upstream.reading.wait()
        await leave(writer)
        if stage != "head":
            async with asyncio.timeout(10):
                await upstream.left.wait()
        await none_left(gateway)
        alive = await client.get("/livez")

    assert alive.status_code == 200


async def test_client_leaves_in_the_middle_of_a_stream(gateway_over):
    upstream = Slow(streams=True)
    async with gateway_over(upstream) as (gateway, client, _urls):
        reader, writer = await connect(client, WHOLE)
        await reader.readuntil(b"\r\n\r\n")
        await leave(writer)
        async with asyncio.timeout(10):
            await upstream.left.wait()
        await none_left(gateway)


async def test_client_leaves_while_it_waits_for_a_place(gateway_over):
    upstream = Slow()
    async with gateway_over(upstream) as (gateway, client, _urls):
        admission = gateway.parts.admission
        admission._lanes["work"].limit.value = 1.0
        _, first = await connect(client, WHOLE)
        await upstream.reading.wait()
        _, second = await connect(client, WHOLE)
        async with asyncio.timeout(10):
            while not admission.state("work")["waiting"]:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        await leave(second)
        async with asyncio.timeout(10):
            while admission.state("work")["waiting"]:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        await leave(first)
        await none_left(gateway)

    assert len(upstream.requests) == 1


async def test_client_leaves_while_its_service_is_expected_back(gateway_over, until):
    async with gateway_over(Upstream()) as (gateway, client, _urls):
        service = gateway.registry.services["work"]
        replica = next(gateway.registry.replicas())
        replica.url = "http://127.0.0.1:9"
        _, writer = await connect(client, WHOLE)
        await until(service, lambda: not service.ready_replicas)
        await leave(writer)
        await none_left(gateway)


async def test_follower_of_a_request_with_the_same_key_leaves(gateway_over):
    upstream = Slow()
    async with gateway_over(upstream) as (gateway, client, _urls):
        _, first = await connect(client, KEYED)
        await upstream.reading.wait()
        _, second = await connect(client, KEYED)
        async with asyncio.timeout(10):
            while traces_of(gateway)["begun"] < 2:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        await leave(second)
        async with asyncio.timeout(10):
            while traces_of(gateway)["begun"] > 1:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        assert not upstream.left.is_set()
        await leave(first)
        await none_left(gateway)

    assert len(upstream.requests) == 1
