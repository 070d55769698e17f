import asyncio
from collections import Counter

from tests.gateway.upstream import Upstream, answer_problem, answer_with_facts, read_body


async def test_overload_is_refused_with_advice_and_work_goes_on(gateway_over):
    """A service that takes 4 at a time and refuses the rest, asked by 60 at once."""
    places = asyncio.Semaphore(4)

    async def limited(scope, receive, send):
        if places.locked():
            await read_body(receive)
            await answer_problem(send, 503, "queue_full")
            return
        async with places:
            await asyncio.sleep(0.01)
            await answer_with_facts(scope, receive, send)

    async with gateway_over(Upstream(limited)) as (gateway, client, _urls):
        answers = await asyncio.gather(*(client.post("/v1/echo", content=b"x") for _ in range(60)))
        limit = gateway.parts.admission.state("work")["limit"]
        alive = await client.get("/livez")
        later = await client.post("/v1/echo", content=b"x")

    counted = Counter(answer.status_code for answer in answers)
    assert set(counted) == {200, 503}
    assert all("retry-after" in each.headers for each in answers if each.status_code == 503)
    assert limit < 256  # the gateway has learned
    assert alive.status_code == 200
    assert later.status_code == 200


async def test_service_that_was_gone_needs_no_restart_of_the_gateway(gateway_over, until):
    upstream = Upstream()
    async with gateway_over(upstream, hold_s=0) as (gateway, client, urls):
        replica = next(gateway.registry.replicas())
        service = gateway.registry.services["work"]
        replica.url = "http://127.0.0.1:9"  # nothing listens there
        refused = [(await client.post("/v1/echo")).status_code for _ in range(20)]
        replica.url = urls[0]
        await until(service, lambda: service.ready_replicas)
        answer = await client.post("/v1/echo")

    assert set(refused) == {503}
    assert answer.status_code == 200
    assert len(upstream.requests) == 1
