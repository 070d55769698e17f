import asyncio
import json
import os
from types import SimpleNamespace

import pytest

from gateway import key_store
from gateway.auth import Caller
from gateway.database import DATABASE_FILE, connect
from gateway.jobs.files import DurableFile, JobFiles, StorageFull
from gateway.jobs.intake import Intake, IntakeLimits
from gateway.key_store import NewKey
from shared.errors import QuotaExceeded
from shared.http import send_json
from tests.gateway.upstream import Upstream, answer_problem, answer_with_facts, offered, read_body

ASYNC = {"Prefer": "respond-async"}


class Gated:
    """A service whose requests wait until they are let go; tells progress."""

    def __init__(self):
        self.go = asyncio.Event()
        self.left = asyncio.Event()
        self.upstream = Upstream(self.handle)

    async def handle(self, scope, receive, send):
        if scope["path"].startswith("/progress/"):
            await send_json(send, 200, {"stage": "windows", "done": 1, "total": 4})
            return
        body = await read_body(receive)
        leaving = asyncio.ensure_future(receive())
        going = asyncio.ensure_future(self.go.wait())
        await asyncio.wait([leaving, going], return_when=asyncio.FIRST_COMPLETED)
        if not going.done():
            self.left.set()
            going.cancel()
            return
        leaving.cancel()
        await send_json(send, 200, {"size": len(body)}, {"x-model": "m"})


@pytest.fixture
def gated():
    return Gated()


async def final(client, job_id):
    """The job's last state, from its event stream."""
    async with asyncio.timeout(30), client.stream("GET", f"/v1/jobs/{job_id}/events") as stream:
        shown = [json.loads(line[6:]) async for line in stream.aiter_lines() if line[:5] == "data:"]
    return shown[-1]


async def test_job_is_accepted_run_and_its_answer_kept(gateway_over):
    body = os.urandom(3 * 2**20)
    async with gateway_over(Upstream()) as (_, client, _urls):
        accepted = await client.post(
            "/v1/echo?a=1", content=body, headers={**ASYNC, "X-Custom": "c", "Content-Type": "a/b"}
        )
        job_id = accepted.json()["id"]
        ended = await final(client, job_id)
        result = await client.get(f"/v1/jobs/{job_id}/result")

    assert accepted.status_code == 202
    assert accepted.headers["location"] == f"/v1/jobs/{job_id}"
    assert accepted.headers["preference-applied"] == "respond-async"
    assert accepted.json()["status"] == "queued"
    assert ended["status"] == "succeeded"
    assert ended["attempts"] == 1
    facts = result.json()
    headers = dict(facts["headers"])
    assert (facts["size"], facts["query"]) == (len(body), "a=1")
    assert (headers["x-custom"], headers["content-type"]) == ("c", "a/b")
    assert headers["x-request-id"] == job_id
    assert "prefer" not in headers


async def test_result_of_an_open_job_is_a_conflict(gateway_over, gated):
    async with gateway_over(gated.upstream) as (_, client, _urls):
        job_id = (await client.post("/v1/echo", headers=ASYNC)).json()["id"]
        answer = await client.get(f"/v1/jobs/{job_id}/result")
        gated.go.set()

        assert answer.status_code == 409
        assert (await final(client, job_id))["status"] == "succeeded"


async def test_progress_of_the_service_is_shown(gateway_over, gated):
    async with gateway_over(gated.upstream) as (_, client, _urls):
        job_id = (await client.post("/v1/echo", headers=ASYNC)).json()["id"]
        seen = []
        async with (
            asyncio.timeout(30),
            client.stream("GET", f"/v1/jobs/{job_id}/events") as stream,
        ):
            async for line in stream.aiter_lines():
                if line.startswith("data:"):
                    seen.append(json.loads(line[6:]))
                    if seen[-1]["progress"]["percent"] == 25.0:
                        gated.go.set()

    assert seen[-1]["status"] == "succeeded"
    half_way = next(each for each in seen if each["progress"]["percent"] == 25.0)
    assert half_way["progress"]["stage"] == "windows"
    assert half_way["eta_s"] > 0


async def test_events_resume_after_the_last_one_seen(gateway_over):
    async with gateway_over(Upstream()) as (_, client, _urls):
        job_id = (await client.post("/v1/echo", headers=ASYNC)).json()["id"]
        await final(client, job_id)
        whole = (await client.get(f"/v1/jobs/{job_id}/events")).text
        rest = (await client.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": "1"})).text

    assert whole.startswith("id: 1\nevent: job\n")
    assert rest.startswith("id: 2\n")
    assert whole.endswith(rest)


async def test_cancelling_a_running_job_reaches_the_service(gateway_over, gated):
    async with gateway_over(gated.upstream) as (_, client, _urls):
        job_id = (await client.post("/v1/echo", headers=ASYNC)).json()["id"]
        async with asyncio.timeout(10):
            await gated.upstream.arrived.wait()
            cancelled = await client.delete(f"/v1/jobs/{job_id}")
            await gated.left.wait()
        result = await client.get(f"/v1/jobs/{job_id}/result")
        again = await client.delete(f"/v1/jobs/{job_id}")

    assert cancelled.json()["status"] == "cancelled"
    assert result.status_code == 409
    assert again.json()["status"] == "cancelled"


async def test_clients_mistake_fails_the_job_and_its_answer_is_the_result(gateway_over):
    async def refuse(scope, receive, send):
        await read_body(receive)
        await answer_problem(send, 422, "invalid_input")

    async with gateway_over(Upstream(refuse)) as (_, client, _urls):
        job_id = (await client.post("/v1/echo", headers=ASYNC)).json()["id"]
        ended = await final(client, job_id)
        result = await client.get(f"/v1/jobs/{job_id}/result")

    assert (ended["status"], ended["attempts"]) == ("failed", 1)
    assert result.status_code == 422
    assert result.json()["code"] == "invalid_input"


async def test_busy_service_is_asked_again_later(gateway_over):
    calls = []

    async def busy_once(scope, receive, send):
        calls.append(scope["path"])
        if len(calls) == 1:
            await read_body(receive)
            await answer_problem(send, 503, "queue_full")
        else:
            await answer_with_facts(scope, receive, send)

    async with gateway_over(Upstream(busy_once)) as (_, client, _urls):
        job_id = (await client.post("/v1/echo", content=b"abc", headers=ASYNC)).json()["id"]
        ended = await final(client, job_id)

    assert (ended["status"], ended["attempts"]) == ("succeeded", 2)


async def test_preference_is_ignored_where_jobs_are_not_offered(gateway_over):
    async with gateway_over(Upstream(paths=[offered(job=False)])) as (_, client, _urls):
        answer = await client.post("/v1/echo", headers=ASYNC)

    assert answer.status_code == 200


async def test_jobs_are_listed_newest_first(gateway_over):
    async with gateway_over(Upstream()) as (_, client, _urls):
        ids = [(await client.post("/v1/echo", headers=ASYNC)).json()["id"] for _ in range(3)]
        listed = (await client.get("/v1/jobs?limit=2")).json()["data"]

    assert [job["id"] for job in listed] == ids[:0:-1]


async def test_other_owners_jobs_do_not_exist(gateway_over, tmp_path):
    connection = connect(tmp_path / DATABASE_FILE)
    mine, other = (
        {"X-API-Key": key_store.create(connection, NewKey(name, ["infer", "jobs"]))[1]}
        for name in ("mine", "other")
    )
    connection.close()
    async with gateway_over(Upstream(), state_dir=tmp_path) as (_, client, _urls):
        accepted = await client.post("/v1/echo", headers={**ASYNC, **mine})
        own = accepted.headers["location"]

        assert (await client.get(own, headers=mine)).status_code == 200
        for path in (own, f"{own}/events", f"{own}/result"):
            assert (await client.get(path, headers=other)).status_code == 404
        assert (await client.delete(own, headers=other)).status_code == 404
        assert (await client.get("/v1/jobs", headers=other)).json()["data"] == []


async def test_job_of_a_gateway_that_stopped_is_run_by_the_next(gateway_over, gated, tmp_path):
    async with gateway_over(gated.upstream, state_dir=tmp_path) as (_, client, _urls):
        job_id = (await client.post("/v1/echo", content=b"abc", headers=ASYNC)).json()["id"]
        await gated.upstream.arrived.wait()
    gated.go.set()
    async with gateway_over(gated.upstream, state_dir=tmp_path) as (_, client, _urls):
        ended = await final(client, job_id)
        result = await client.get(f"/v1/jobs/{job_id}/result")

    assert (ended["status"], ended["attempts"]) == ("succeeded", 2)
    assert result.json() == {"size": 3}


async def test_expired_result_is_gone(gateway_over, tmp_path):
    async with gateway_over(Upstream(), state_dir=tmp_path) as (gateway, client, _urls):
        job_id = (await client.post("/v1/echo", content=b"abc", headers=ASYNC)).json()["id"]
        ended = await final(client, job_id)
        await gateway.parts.job_store.expire(ended["finished_at"] + 1)
        answer = await client.get(f"/v1/jobs/{job_id}/result")

    assert answer.status_code == 410


async def test_expired_job_is_forgotten_in_the_end(gateway_over, tmp_path):
    async with gateway_over(Upstream(), state_dir=tmp_path) as (gateway, client, _urls):
        job_id = (await client.post("/v1/echo", content=b"abc", headers=ASYNC)).json()["id"]
        ended = await final(client, job_id)
        store = gateway.parts.job_store
        await store.forget(ended["finished_at"] + 1)
        kept = await client.get(f"/v1/jobs/{job_id}")
        await store.expire(ended["finished_at"] + 1)
        await store.forget(ended["finished_at"] + 1)
        gone = await client.get(f"/v1/jobs/{job_id}")

    assert (kept.status_code, gone.status_code) == (200, 404)


async def test_path_with_any_character_reaches_the_service_as_it_was_sent(gateway_over):
    upstream = Upstream(paths=[offered("/v1/one/{id}")])
    async with gateway_over(upstream) as (_, client, _urls):
        accepted = await client.post("/v1/one/%ED%95%9C%20%3F%2B+", content=b"x", headers=ASYNC)
        await final(client, accepted.json()["id"])
        facts = (await client.get(f"/v1/jobs/{accepted.json()['id']}/result")).json()

    assert facts["path"] == "/v1/one/\ud55c ?++"


def test_full_disk_is_told_as_such(tmp_path):
    full = tmp_path / "x"
    full.symlink_to("/dev/full")
    file = DurableFile(full)
    file.write(b"abc")

    with pytest.raises(StorageFull) as refused:
        file.commit()
    file.discard()

    assert refused.value.status == 507
    assert not full.exists()


def test_job_that_would_fill_the_disk_is_refused_before_it_is_read(tmp_path):
    JobFiles(tmp_path / "jobs").make_room(1000)

    with pytest.raises(StorageFull):
        JobFiles(tmp_path / "jobs").make_room(2**60)


async def test_caller_with_too_many_open_jobs_is_over_its_quota(gateway_over, gated):
    async with gateway_over(gated.upstream) as (gateway, client, _urls):
        store, files = gateway.parts.job_store, gateway.parts.job_files
        await client.post("/v1/echo", content=b"x", headers=ASYNC)
        exchange = SimpleNamespace(scope={"headers": [], "state": {"caller": Caller()}})

        with pytest.raises(QuotaExceeded, match="open jobs") as refused:
            await Intake(store, files, IntakeLimits(max_open_per_owner=1)).accept(exchange, None)
        gated.go.set()

    assert refused.value.retry_after_s is not None


async def test_job_sent_again_after_a_restart_is_the_same_job(gateway_over, tmp_path):
    headers = {**ASYNC, "Idempotency-Key": "k"}
    ids, refused = [], None
    for _ in range(2):
        async with gateway_over(Upstream(), state_dir=tmp_path) as (_, client, _urls):
            ids.append((await client.post("/v1/echo", content=b"x", headers=headers)).json()["id"])
            await final(client, ids[0])
    async with gateway_over(Upstream(), state_dir=tmp_path) as (_, client, _urls):
        refused = await client.post("/v1/echo", content=b"other", headers=headers)

    assert ids[0] == ids[1]
    assert refused.status_code == 422
