import asyncio
from collections import Counter

import pytest

from shared.testing import running_server
from tests.gateway.upstream import Upstream, answer_with_facts

ADMIN = "/admin/services/work"


def versioned(version, calls):
    async def answer(scope, receive, send):
        calls[version] += 1
        await answer_with_facts(scope, receive, send)

    return Upstream(answer, version=version)


@pytest.fixture
async def two(gateway_over, admin_over):
    """A gateway over versions 1 and 2: (public client, admin client, calls by version)."""
    calls = Counter()
    async with (
        gateway_over(versioned("1", calls), versioned("2", calls)) as (gateway, client, _urls),
        admin_over(gateway) as admin,
    ):
        yield client, admin, calls


async def test_weights_decide_which_version_answers(two):
    client, admin, calls = two

    answer = await admin.put(f"{ADMIN}/weights", json={"1": 0, "2": 100})
    for _ in range(10):
        await client.post("/v1/echo")

    assert answer.status_code == 200
    assert calls == {"2": 10}


async def test_rollback_restores_the_weights_before_and_before_that(two):
    client, admin, calls = two
    for weights in ({"1": 1}, {"1": 1, "2": 1}, {"2": 1}):
        await admin.put(f"{ADMIN}/weights", json=weights)

    first = await admin.post(f"{ADMIN}/rollback")
    second = await admin.post(f"{ADMIN}/rollback")
    await client.post("/v1/echo")

    assert first.json()["weights"] == {"1": 1, "2": 1}
    assert second.json()["weights"] == {"1": 1}
    assert calls == {"1": 1}
    history = (await admin.get(f"{ADMIN}/weights")).json()
    assert [entry["action"] for entry in history] == ["rollback", "rollback", "set", "set", "set"]


async def test_rollback_without_history_is_a_conflict(two):
    _, admin, _ = two

    assert (await admin.post(f"{ADMIN}/rollback")).status_code == 409


@pytest.mark.parametrize("weights", [{}, {"1": 0}, {"1": -1}, {"1": "x"}, [1]])
async def test_meaningless_weights_are_refused(two, weights):
    _, admin, _ = two

    answer = await admin.put(f"{ADMIN}/weights", json=weights)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def test_pin_reaches_its_version_whatever_the_weights(two):
    client, admin, calls = two
    await admin.put(f"{ADMIN}/weights", json={"1": 1})

    await client.post("/v1/echo", headers={"X-Service-Version": "2"})

    assert calls == {"2": 1}


async def test_pin_to_a_version_that_does_not_run_is_404(two):
    answer = await two[0].post("/v1/echo", headers={"X-Service-Version": "9"})

    assert answer.status_code == 404
    assert "running: 1, 2" in answer.json()["detail"]
    assert [fault["loc"] for fault in answer.json()["errors"]] == ["X-Service-Version"]


async def test_draining_replica_ends_its_request_and_gets_no_other(gateway_over, admin_over):
    release = asyncio.Event()

    async def wait_without_reading(scope, receive, send):
        await release.wait()
        await answer_with_facts(scope, receive, send)

    busy, other = Upstream(wait_without_reading), Upstream()
    async with (
        gateway_over(busy, other) as (gateway, client, _urls),
        admin_over(gateway) as admin,
    ):
        first, second = list(gateway.registry.replicas())
        second.in_flight += 100
        asking = asyncio.ensure_future(client.post("/v1/echo"))
        await busy.arrived.wait()
        drained = await admin.post(f"{ADMIN}/replicas/{first.id}/drain")
        await client.post("/v1/echo")
        waiting = asyncio.ensure_future(
            admin.post(f"{ADMIN}/replicas/{first.id}/drain", params={"wait_s": 10})
        )
        release.set()

        assert drained.json()["in_flight"] == 1
        assert (await asking).status_code == 200
        assert (await waiting).json()["in_flight"] == 0
        assert len(busy.requests) == 1
        assert len(other.requests) == 1


async def test_registered_replica_gets_traffic_when_it_is_activated(
    gateway_over, admin_over, until
):
    new = Upstream(version="2")
    async with (
        gateway_over(Upstream(version="1")) as (gateway, client, _urls),
        admin_over(gateway) as admin,
        running_server(new) as url,
    ):
        entry = (await admin.post(f"{ADMIN}/replicas", json={"url": url, "duty": "standby"})).json()
        service = gateway.registry.services["work"]
        replica = service.replicas[entry["id"]]
        await until(service, lambda: replica.is_ready)
        await client.post("/v1/echo")
        assert new.requests == []

        await admin.post(f"{ADMIN}/replicas/{entry['id']}/activate")
        await client.post("/v1/echo", headers={"X-Service-Version": "2"})
        assert len(new.requests) == 1


async def test_removed_replica_is_forgotten(two):
    _, admin, _ = two
    entry = (await admin.get(ADMIN)).json()["replicas"][0]

    assert (await admin.delete(f"{ADMIN}/replicas/{entry['id']}")).status_code == 204
    assert (await admin.get(f"{ADMIN}/replicas/{entry['id']}")).status_code == 404


async def test_registrations_and_weights_survive_a_restart(gateway_over, admin_over, tmp_path):
    async with running_server(Upstream(version="1")) as url:
        for is_second_run in (False, True):
            async with (
                gateway_over(ready=False, state_dir=tmp_path) as (gateway, _client, _urls),
                admin_over(gateway) as admin,
            ):
                if is_second_run:
                    shown = (await admin.get(ADMIN)).json()
                    assert [each["url"] for each in shown["replicas"]] == [url]
                    assert shown["weights"] == {"1": 1.0}
                else:
                    await admin.post(f"{ADMIN}/replicas", json={"url": url})
                    await admin.put(f"{ADMIN}/weights", json={"1": 1})


@pytest.mark.parametrize("url", ["ftp://x", "dns://a:1", "http://a:1,http://b:1", "", "x"])
async def test_malformed_address_is_refused(two, url):
    assert (await two[1].post(f"{ADMIN}/replicas", json={"url": url})).status_code == 422


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Host": "[::2]:8081"}]
)
async def test_web_pages_cannot_use_the_admin_api(two, headers):
    answer = await two[1].post(f"{ADMIN}/rollback", headers=headers)

    assert answer.status_code == 403


async def test_admin_paths_do_not_exist_on_the_public_listener(two):
    assert (await two[0].get("/admin/services")).status_code == 404


async def test_no_request_fails_while_versions_roll_under_traffic(two):
    client, admin, calls = two
    await admin.put(f"{ADMIN}/weights", json={"1": 1})
    statuses = []

    async def ask():
        for _ in range(20):
            statuses.append((await client.post("/v1/echo")).status_code)

    async def roll():
        await admin.put(f"{ADMIN}/weights", json={"1": 50, "2": 50})
        await admin.put(f"{ADMIN}/weights", json={"2": 1})
        await admin.post(f"{ADMIN}/rollback")

    await asyncio.gather(ask(), ask(), roll())

    assert Counter(statuses) == {200: 40}


async def test_replica_of_an_earlier_run_that_stays_silent_is_forgotten(
    gateway_over, admin_over, tmp_path
):
    for _ in range(2):
        async with (
            gateway_over(ready=False, state_dir=tmp_path) as (gateway, _client, _urls),
            admin_over(gateway) as admin,
        ):
            await admin.post(f"{ADMIN}/replicas", json={"url": "http://127.0.0.1:9"})
            await gateway.parts.registrations.forget_silent(0)
            known = (await admin.get(ADMIN)).json()["replicas"]

    assert known == []


@pytest.mark.parametrize("action", ["preload", "unload", "recycle"])
async def test_engines_of_every_replica_are_commanded_with_the_services_token(
    gateway_over, admin_over, action
):
    replicas = Upstream(), Upstream()
    token = "t" * 16
    async with (
        gateway_over(*replicas, internal_token=token) as (gateway, _client, _urls),
        admin_over(gateway) as admin,
    ):
        answer = await admin.post(f"{ADMIN}/{action}")

    assert len(answer.json()) == 2
    for each in replicas:
        [(path, headers)] = each.requests
        assert (path, headers["x-internal-token"]) == (f"/admin/{action}", token)


async def test_replica_that_goes_while_engines_are_commanded_stops_nothing(
    gateway_over, admin_over
):
    async def leave(scope, receive, send):
        for replica in list(gateway.registry.replicas()):
            gateway.registry.remove_replica(replica)
        await answer_with_facts(scope, receive, send)

    async with (
        gateway_over(Upstream(leave), Upstream(), internal_token="t" * 16) as (gateway, _, _urls),
        admin_over(gateway) as admin,
    ):
        answer = await admin.post(f"{ADMIN}/preload")

    assert answer.status_code == 200
    assert len(answer.json()) == 2


async def test_replica_that_answers_no_json_to_a_command_is_a_502(gateway_over, admin_over):
    async def babble(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"<html>"})

    async with (
        gateway_over(Upstream(babble), internal_token="t" * 16) as (gateway, _, _urls),
        admin_over(gateway) as admin,
    ):
        answer = await admin.post(f"{ADMIN}/preload")

    assert answer.status_code == 502
