import asyncio

import pytest

from gateway.discovery import Address, DnsFollower, resolve
from gateway.health import ProbeOptions
from gateway.registry import Registry
from tests.gateway.upstream import Upstream, answer_with_facts


async def test_name_stands_for_all_its_addresses():
    assert "http://127.0.0.1:8000" in await resolve("dns://localhost:8000")


@pytest.mark.parametrize("name", ["does-not-exist.invalid", "a" * 64])
async def test_name_that_does_not_resolve_has_no_address(name):
    assert await resolve(f"dns://{name}:8000") == set()


async def test_replicas_come_and_stay_while_the_name_resolves():
    registry = Registry(["work"], ProbeOptions())
    follower = DnsFollower(registry, Address("work", "dns://localhost:8000"), 1.0)

    await follower.update()
    await follower.update()

    urls = [replica.url for replica in registry.replicas()]
    assert urls.count("http://127.0.0.1:8000") == 1


async def test_replicas_are_not_dropped_when_the_name_fails_for_a_while():
    registry = Registry(["work"], ProbeOptions())
    replica = registry.add_replica("work", "http://127.0.0.1:8000")
    follower = DnsFollower(registry, Address("work", "dns://does-not-exist.invalid:8000"), 1.0)

    await follower.update()

    assert list(registry.replicas()) == [replica]


async def test_service_behind_a_name_is_reached(gateway_over, until):
    async with gateway_over(Upstream()) as (gateway, client, urls):
        registry = gateway.registry
        registry.remove_replica(next(registry.replicas()))
        port = urls[0].rpartition(":")[2]
        await DnsFollower(registry, Address("work", f"dns://localhost:{port}"), 1.0).update()
        service = registry.services["work"]
        await until(service, lambda: service.ready_replicas)

        assert (await client.post("/v1/echo")).status_code == 200


async def test_address_that_goes_away_ends_its_requests_and_gets_no_other(gateway_over, until):
    may_end = asyncio.Event()

    async def slow(scope, receive, send):
        await may_end.wait()
        await answer_with_facts(scope, receive, send)

    leaving, staying = Upstream(slow), Upstream()
    async with gateway_over(leaving, staying) as (gateway, client, urls):
        registry, addresses = gateway.registry, set(urls)
        service = registry.services["work"]

        async def look_up(_url):
            return set(addresses)

        follower = DnsFollower(registry, Address("work", "dns://work:8000"), 1.0, look_up)
        await follower.update()
        next(iter(each for each in registry.replicas() if each.url == urls[1])).in_flight += 100
        asking = asyncio.ensure_future(client.post("/v1/echo"))
        await leaving.arrived.wait()
        addresses.remove(urls[0])
        await follower.update()
        later = [(await client.post("/v1/echo")).status_code for _ in range(20)]
        may_end.set()
        answer = await asking

    assert [each.url for each in service.replicas.values()] == [urls[1]]
    assert answer.status_code == 200
    assert later == [200] * 20
    assert len(leaving.requests) == 1
