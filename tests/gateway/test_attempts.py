import asyncio
import os
import signal
import socket
import sys
from contextlib import asynccontextmanager

from gateway.replica import ReplicaState
from shared.http import send_json
from tests.gateway.upstream import Upstream, answer_problem, offered, read_body


def lead_to(replica, server):
    """Have the replica's address lead to another server; its state stays what it is."""
    replica.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def first_replica_hangs_up(gateway):
    """Let the first replica break each connection, and make sure that it is asked first."""
    first, second = list(gateway.registry.replicas())
    writers = []

    async def hang_up(reader, writer):
        writers.append(writer)
        await reader.readline()
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        lead_to(first, server)
        second.in_flight += 100
        yield
        second.in_flight -= 100
        for writer in writers:
            writer.close()
        await asyncio.gather(*(each.wait_closed() for each in writers), return_exceptions=True)


async def test_request_moves_to_another_replica_when_the_first_breaks(gateway_over):
    body = os.urandom(3 * 2**20)  # large enough to lie on disk
    async with (
        gateway_over(Upstream(), Upstream(), hold_s=0) as (gateway, client, _urls),
        first_replica_hangs_up(gateway),
    ):
        answer = await client.post("/v1/echo", content=body)

    assert answer.status_code == 200
    assert answer.json()["size"] == len(body)
    assert answer.headers["x-attempts"] == "2"


async def test_path_that_is_not_replayable_is_not_sent_twice(gateway_over):
    one, two = (Upstream(paths=[offered(replayable=False)]) for _ in range(2))
    async with (
        gateway_over(one, two, hold_s=0) as (gateway, client, _urls),
        first_replica_hangs_up(gateway),
    ):
        answer = await client.post("/v1/echo", content=b"x")

    assert answer.status_code == 502
    assert two.requests == []


async def test_body_that_is_not_kept_is_sent_once(gateway_over):
    two = Upstream()
    limits = {"replay_memory_bytes": 1000, "replay_spool_bytes": 2000}
    async with (
        gateway_over(Upstream(), two, hold_s=0, **limits) as (gateway, client, _urls),
        first_replica_hangs_up(gateway),
    ):
        answer = await client.post("/v1/echo", content=b"x" * 300_000)

    assert answer.status_code == 502
    assert two.requests == []


async def test_refused_connection_costs_no_request(gateway_over):
    async with gateway_over(Upstream(), Upstream()) as (gateway, client, _urls):
        first, second = list(gateway.registry.replicas())
        first.url = "http://127.0.0.1:9"
        second.in_flight += 100
        answer = await client.post("/v1/echo", content=b"x")

    assert answer.status_code == 200
    assert answer.headers["x-attempts"] == "2"


async def test_full_replica_passes_the_request_to_another(gateway_over):
    async def full(scope, receive, send):
        await read_body(receive)
        await answer_problem(send, 503, "queue_full")

    async with gateway_over(Upstream(full), Upstream()) as (gateway, client, _urls):
        list(gateway.registry.replicas())[1].in_flight += 100
        answer = await client.post("/v1/echo", content=b"x")

    assert answer.status_code == 200
    assert answer.headers["x-attempts"] == "2"


async def test_refusal_of_all_replicas_reaches_the_client_as_it_is(gateway_over):
    async def full(scope, receive, send):
        await read_body(receive)
        await answer_problem(send, 503, "queue_full")

    async with gateway_over(Upstream(full), Upstream(full)) as (_, client, _urls):
        answer = await client.post("/v1/echo", content=b"x")

    assert answer.status_code == 503
    assert answer.json()["code"] == "queue_full"
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["x-attempts"] == "2"


async def test_clients_mistake_is_never_tried_again(gateway_over):
    async def refuse(scope, receive, send):
        await read_body(receive)
        await answer_problem(send, 422, "invalid_input")

    async with gateway_over(Upstream(refuse), Upstream(refuse)) as (_, client, _urls):
        answer = await client.post("/v1/echo", content=b"x")

    assert answer.status_code == 422
    assert answer.headers["x-attempts"] == "1"


async def test_lost_engine_is_made_good_by_another_replica(gateway_over):
    async def lose(scope, receive, send):
        await read_body(receive)
        await answer_problem(send, 500, "engine_fatal")

    async with gateway_over(Upstream(lose), Upstream()) as (gateway, client, _urls):
        list(gateway.registry.replicas())[1].in_flight += 100
        answer = await client.post("/v1/echo", content=b"x")

    assert answer.status_code == 200


async def test_service_that_never_loaded_answers_for_itself(gateway_over, until):
    async def explain(scope, receive, send):
        await send_json(send, 503, {"code": "model_missing", "detail": "get it with make models"})

    upstream = Upstream(explain, ready=False, reason="model missing")
    async with gateway_over(upstream, ready=False) as (gateway, client, _urls):
        service = gateway.registry.services["work"]
        await until(service, lambda: service.has_answered)
        answer = await client.post("/v1/echo", content=b"x")

    assert answer.json()["code"] == "model_missing"


CHILD = """
import asyncio, os, sys
import uvicorn
from shared.http import send_json
from tests.gateway.upstream import Upstream, read_body

async def handle(scope, receive, send):
    body = await read_body(receive)
    if scope["query_string"] == b"hang" and not os.path.exists(sys.argv[2]):
        open(sys.argv[2], "w").close()
        await asyncio.Event().wait()
    await send_json(send, 200, {"pid": os.getpid(), "size": len(body)})

uvicorn.run(Upstream(handle), port=int(sys.argv[1]), log_config=None, access_log=False)
"""


@asynccontextmanager
async def child_service(port, marker):
    """The test upstream in a process of its own, on a port that stays the same."""
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, str(port), marker)
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


async def file_appears(path):
    async with asyncio.timeout(20):
        while not path.exists():  # noqa: ASYNC110 - another process makes the file
            await asyncio.sleep(0.02)


async def test_request_is_held_until_the_only_replica_is_back(gateway_over, until, tmp_path):
    port, marker = free_port(), tmp_path / "asked"
    upstreams = {"upstreams": {"work": f"http://127.0.0.1:{port}"}}
    async with gateway_over(ready=False, **upstreams) as (gateway, client, _urls):
        service = gateway.registry.services["work"]
        async with child_service(port, str(marker)) as first:
            await until(service, lambda: service.ready_replicas)
            asking = asyncio.ensure_future(client.post("/v1/echo?hang", content=b"abc"))
            await file_appears(marker)
            first.send_signal(signal.SIGKILL)
            await first.wait()
        async with child_service(port, str(marker)) as second:
            answer = await asking

            assert answer.status_code == 200
            assert answer.json() == {"pid": second.pid, "size": 3}


async def test_request_to_a_hung_replica_moves_on(gateway_over, until, tmp_path):
    port, marker = free_port(), tmp_path / "asked"
    upstreams = {"upstreams": {"work": f"http://127.0.0.1:{port}"}, "probe_timeout_s": 0.3}
    async with gateway_over(ready=False, **upstreams) as (gateway, client, _urls):
        service = gateway.registry.services["work"]
        async with child_service(port, str(marker)) as hung:
            await until(service, lambda: service.ready_replicas)
            asking = asyncio.ensure_future(client.post("/v1/echo?hang", content=b"abc"))
            await file_appears(marker)
            hung.send_signal(signal.SIGSTOP)
            other = free_port()
            async with child_service(other, str(marker)) as healthy:
                gateway.registry.add_replica("work", f"http://127.0.0.1:{other}")
                answer = await asking

                assert answer.status_code == 200
                assert answer.json()["pid"] == healthy.pid


async def test_no_request_fails_when_one_of_two_replicas_is_killed_under_load(
    gateway_over, until, tmp_path
):
    ports, marker = [free_port(), free_port()], tmp_path / "asked"
    upstreams = {"work": ",".join(f"http://127.0.0.1:{port}" for port in ports)}
    statuses, done, enough = [], asyncio.Event(), asyncio.Event()

    async def ask(client):
        while not done.is_set():
            statuses.append((await client.post("/v1/echo", content=b"x" * 50_000)).status_code)
            if len(statuses) >= 100:
                enough.set()

    async with (
        gateway_over(ready=False, upstreams=upstreams) as (gateway, client, _urls),
        child_service(ports[0], str(marker)) as victim,
        child_service(ports[1], str(marker)),
    ):
        service = gateway.registry.services["work"]
        await until(service, lambda: len(service.ready_replicas) == 2)
        asking = [asyncio.ensure_future(ask(client)) for _ in range(8)]
        await enough.wait()
        victim.send_signal(signal.SIGKILL)
        await until(service, lambda: len(service.ready_replicas) == 1)
        async with child_service(ports[0], str(marker)):
            await until(service, lambda: len(service.ready_replicas) == 2)
            done.set()
            await asyncio.gather(*asking)

    assert set(statuses) == {200}


async def test_no_request_fails_when_one_of_two_replicas_hangs_under_load(
    gateway_over, until, tmp_path
):
    ports, marker = [free_port(), free_port()], tmp_path / "asked"
    upstreams = {"work": ",".join(f"http://127.0.0.1:{port}" for port in ports)}
    answers, done = [], asyncio.Event()

    async def ask(client):
        while not done.is_set():
            answers.append(await client.post("/v1/echo", content=b"x"))

    async with (
        gateway_over(ready=False, upstreams=upstreams, probe_timeout_s=0.2) as (gateway, client, _),
        child_service(ports[0], str(marker)) as victim,
        child_service(ports[1], str(marker)),
    ):
        service = gateway.registry.services["work"]
        await until(service, lambda: len(service.ready_replicas) == 2)
        asking = [asyncio.ensure_future(ask(client)) for _ in range(8)]
        replica = next(each for each in service.replicas.values() if str(ports[0]) in each.url)
        async with asyncio.timeout(20):
            while not replica.in_flight:  # noqa: ASYNC110 - the stop is to hang a request
                await asyncio.sleep(0)
        victim.send_signal(signal.SIGSTOP)
        await until(service, lambda: replica.state is ReplicaState.HUNG)
        done.set()
        await asyncio.gather(*asking)
        victim.send_signal(signal.SIGCONT)

    assert {answer.status_code for answer in answers} == {200}
    assert any(answer.headers["x-attempts"] != "1" for answer in answers)
