"""A service that calls other services through the gateway."""

import httpx
import pytest

from gateway import key_store
from gateway.database import DATABASE_FILE, connect
from gateway.key_store import NewKey
from shared.http import send_json
from tests.gateway.upstream import Upstream, offered, read_body

TOKEN = "t" * 16
PASSED_ON = (b"x-request-id", b"x-request-timeout-ms", b"x-caller", b"x-hops", b"x-internal-token")


class Composition(Upstream):
    """Answers ``/v1/whole`` with what the gateway answers at another path."""

    def __init__(self, path):
        super().__init__(name="whole", paths=[offered("/v1/whole")])
        self.handler = self.ask
        self.path = path
        self.gateway = None  # its address, once it is known

    async def ask(self, scope, receive, send):
        body = await read_body(receive)
        headers = [pair for pair in scope["headers"] if pair[0] in PASSED_ON]
        async with httpx.AsyncClient(base_url=self.gateway) as client:
            answer = await client.post(self.path, content=body, headers=headers)
        await send_json(send, answer.status_code, answer.json())


@pytest.fixture
def composed(gateway_over, tmp_path):
    def over(path, **settings):
        whole, work = Composition(path), Upstream()
        running = gateway_over(whole, work, internal_token=TOKEN, state_dir=tmp_path, **settings)
        return whole, work, running

    return over


async def test_caller_request_id_and_time_reach_the_inner_service(composed, tmp_path):
    database = connect(tmp_path / DATABASE_FILE)
    key, text = key_store.create(database, NewKey("x", ["infer:whole"], max_concurrent=1))
    database.close()
    whole, work, running = composed("/v1/echo")
    headers = {"X-API-Key": text, "X-Request-Id": "r-1", "X-Request-Timeout-Ms": "5000"}
    async with running as (_, client, _urls):
        whole.gateway = str(client.base_url)
        # The key allows one request at a time, and the outer one is still running.
        answer = await client.post("/v1/whole", headers=headers)

    assert answer.status_code == 200, answer.text
    inner = work.requests[0][1]
    assert inner["x-caller"] == key.id
    assert inner["x-request-id"] == "r-1"
    assert inner["x-hops"] == "2"
    assert 0 < int(inner["x-request-timeout-ms"]) <= 5000


async def test_circle_of_calls_ends_at_the_third_hop(composed):
    whole, _, running = composed("/v1/whole")
    async with running as (_, client, _urls):
        whole.gateway = str(client.base_url)
        answer = await client.post("/v1/whole")

    assert answer.status_code == 508
    assert answer.json()["code"] == "too_many_hops"
    assert len(whole.requests) == 3


@pytest.mark.parametrize("hops", ["0" * 5000, "9" * 5000, "00001", "-1", "one"])
async def test_count_of_hops_that_the_gateway_cannot_have_sent_is_refused(composed, hops):
    _, work, running = composed("/v1/echo")
    async with running as (_, client, _urls):
        headers = {"X-Internal-Token": TOKEN, "X-Hops": hops}
        answer = await client.post("/v1/echo", headers=headers)

    assert answer.status_code == 400
    assert "X-Hops" in answer.json()["detail"]
    assert work.requests == []


async def test_client_cannot_name_a_caller_or_count_hops(composed):
    _, work, running = composed("/v1/echo")
    async with running as (_, client, _urls):
        await client.post("/v1/echo", headers={"X-Caller": "someone", "X-Hops": "7"})

    assert work.requests[0][1]["x-caller"] == "local"
    assert work.requests[0][1]["x-hops"] == "1"
