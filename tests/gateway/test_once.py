import asyncio
from collections import Counter

import httpx
import pytest

from gateway.auth import Caller
from gateway.body import RequestBody
from gateway.body_store import BodyStore, StoreLimits
from gateway.content_digest import ContentDigest
from gateway.exchange import Exchange
from gateway.once import Once
from gateway.outcome import WholeAnswer
from shared.http import send_json
from tests.gateway.upstream import Upstream, answer_problem, read_body


def form(boundary, text=b"hello"):
    """The same form under any boundary: (headers, body)."""
    head = b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = b"--%s\r\n%s%s\r\n--%s--\r\n" % (boundary, head, text, boundary)
    return {"Content-Type": f"multipart/form-data; boundary={boundary.decode()}"}, body


def digest(headers, body, cut=10**9):
    found = ContentDigest(headers.get("Content-Type"))
    for start in range(0, len(body), cut):
        found.update(body[start : start + cut])
    return found.hexdigest()


@pytest.mark.parametrize("cut", [1, 7, 10**9])
def test_boundary_and_cuts_do_not_change_the_digest(cut):
    assert digest(*form(b"abc"), cut) == digest(*form(b"xyzxyzxyz"))


def test_content_changes_the_digest():
    assert digest(*form(b"abc")) != digest(*form(b"abc", b"hullo"))
    assert digest({}, b"a") != digest({}, b"b")
    assert digest({"Content-Type": "a/b"}, b"a") != digest({"Content-Type": "a/c"}, b"a")


class Counting:
    """Counts its runs; each waits until it is let go."""

    def __init__(self, is_open=True, status=200):
        self.runs = 0
        self.status = status
        self.go = asyncio.Event()
        if is_open:
            self.go.set()
        self.upstream = Upstream(self.handle)

    async def handle(self, scope, receive, send):
        self.runs += 1
        await read_body(receive)
        await self.go.wait()
        if self.status == 200:
            await send_json(send, 200, {"run": self.runs})
        else:
            await answer_problem(send, self.status, "some_code")


def keyed(key="k", **more):
    return {"Idempotency-Key": key, **more}


async def test_same_key_and_body_run_once(gateway_over):
    service = Counting()
    async with gateway_over(service.upstream) as (_, client, _urls):
        first = await client.post("/v1/echo", content=b"x", headers=keyed())
        again = await client.post("/v1/echo", content=b"x", headers=keyed())

    assert first.json() == again.json() == {"run": 1}
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert again.headers.get_list("x-attempts") == ["0"]
    assert service.runs == 1


async def test_form_sent_again_under_another_boundary_is_the_same(gateway_over):
    service = Counting()
    async with gateway_over(service.upstream) as (_, client, _urls):
        for boundary in (b"one", b"another"):
            headers, body = form(boundary)
            await client.post("/v1/echo", content=body, headers=keyed(**headers))

    assert service.runs == 1


async def test_other_body_under_the_key_is_422(gateway_over):
    service = Counting()
    async with gateway_over(service.upstream) as (_, client, _urls):
        await client.post("/v1/echo", content=b"x", headers=keyed())
        answer = await client.post("/v1/echo", content=b"y", headers=keyed())

    assert answer.status_code == 422
    assert service.runs == 1


async def test_many_at_once_share_one_run(gateway_over):
    service = Counting(is_open=False)
    async with gateway_over(service.upstream) as (_, client, _urls):
        asking = [
            asyncio.ensure_future(client.post("/v1/echo", content=b"x" * 100, headers=keyed()))
            for _ in range(20)
        ]
        await service.upstream.arrived.wait()
        service.go.set()
        answers = await asyncio.gather(*asking)

    assert service.runs == 1
    assert {answer.text for answer in answers} == {answers[0].text}


async def test_failure_is_not_remembered(gateway_over):
    service = Counting(status=500)
    async with gateway_over(service.upstream) as (_, client, _urls):
        assert (await client.post("/v1/echo", headers=keyed())).status_code == 500
        service.status = 200
        assert (await client.post("/v1/echo", headers=keyed())).status_code == 200

    assert service.runs == 2


async def test_next_in_line_runs_when_the_first_client_leaves(gateway_over):
    service = Counting(is_open=False)
    async with gateway_over(service.upstream) as (_, client, _urls):
        leaving = asyncio.ensure_future(client.post("/v1/echo", content=b"x", headers=keyed()))
        await service.upstream.arrived.wait()
        staying = asyncio.ensure_future(client.post("/v1/echo", content=b"x", headers=keyed()))
        leaving.cancel()
        service.go.set()
        answer = await staying

    assert answer.status_code == 200


async def test_keys_of_different_requests_do_not_touch(gateway_over):
    service = Counting()
    async with gateway_over(service.upstream) as (_, client, _urls):
        await client.post("/v1/echo", content=b"x", headers=keyed("a"))
        await client.post("/v1/echo", content=b"x", headers=keyed("b"))

    assert service.runs == 2


async def test_request_that_is_still_running_keeps_no_later_answer_from_being_dropped():
    once, runs, may_end = Once(max_entries=3), Counter(), asyncio.Event()

    async def send(message):
        pass

    async def ask(key, go=None):
        scope = {"type": "http", "method": "POST", "path": "/v1/echo", "query_string": b"",
                 "headers": [], "state": {"caller": Caller()}}  # fmt: skip
        exchange = Exchange(scope, send, route=None)
        body = RequestBody(
            scope, receive=None, limit_bytes=0, store=BodyStore(StoreLimits()), on_gone=None,
            digest=ContentDigest(None),
        )  # fmt: skip

        async def work():
            runs[key] += 1
            if go is not None:
                await go.wait()
            await exchange.answer(WholeAnswer(200, [], b"{}"))

        await once.run(key, exchange, body, work)

    slow = asyncio.ensure_future(ask("slow", may_end))
    await asyncio.sleep(0)
    for key in "abcdea":
        await ask(key)
    may_end.set()
    await slow

    assert runs == {"slow": 1, "a": 2, "b": 1, "c": 1, "d": 1, "e": 1}


@pytest.mark.parametrize("key", ["", "x" * 256, "é"])
async def test_malformed_key_is_refused(gateway_over, key):
    async with gateway_over(Upstream()) as (_, client, _urls):
        headers = httpx.Headers({"Idempotency-Key": key.encode()})
        answer = await client.post("/v1/echo", headers=headers)

    assert answer.status_code == 400


async def test_same_job_is_accepted_once(gateway_over):
    headers = keyed(Prefer="respond-async")
    async with gateway_over(Upstream()) as (_, client, _urls):
        first = await client.post("/v1/echo", content=b"x", headers=headers)
        again = await client.post("/v1/echo", content=b"x", headers=headers)

    assert first.status_code == again.status_code == 202
    assert first.headers["location"] == again.headers["location"]
