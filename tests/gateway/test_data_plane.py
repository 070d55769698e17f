import asyncio
import gc
import re

import httpx
import pytest

from gateway.direct import DirectRequest
from gateway.exchange import Exchange
from tests.gateway.upstream import Upstream, answer_problem, offered, read_body
from tests.shared import echo


@pytest.fixture
async def work(gateway_over):
    upstream = Upstream(paths=[offered(), offered("/v1/look", "GET"), offered("/v1/one/{id}")])
    async with gateway_over(upstream) as (_, client, _urls):
        yield client


async def test_request_reaches_the_service_that_offers_its_path(gateway_over):
    async with gateway_over(echo.build()) as (_, client, _urls):
        answer = await client.post("/v1/echo", json={"a": 1}, headers={"X-Request-Id": "r-1"})

    assert answer.status_code == 200
    assert answer.json() == {"a": 1}
    assert answer.headers["x-request-id"] == "r-1"
    assert answer.headers["x-service"] == "echo"
    assert answer.headers["x-model"] == "echo"
    assert answer.headers["x-attempts"] == "1"


async def test_method_path_query_and_body_arrive_unchanged(work):
    answer = await work.post("/v1/echo?a=%2F&b=%20c", content=b"\x00\xffabc")

    facts = answer.json()
    assert facts["method"] == "POST"
    assert facts["path"] == "/v1/echo"
    assert facts["query"] == "a=%2F&b=%20c"
    assert facts["body"] == "\x00\xffabc"


async def test_get_arrives_without_a_body(work):
    facts = (await work.get("/v1/look?x=1")).json()

    assert facts["method"] == "GET"
    assert facts["size"] == 0
    assert "transfer-encoding" not in dict(facts["headers"])


async def test_parameter_in_a_path_matches_one_segment(work):
    assert (await work.post("/v1/one/abc")).json()["path"] == "/v1/one/abc"
    assert (await work.post("/v1/one/a/b")).status_code == 404


async def test_credentials_and_hop_by_hop_headers_end_at_the_gateway(work):
    sent = {
        "Authorization": "Bearer secret", "X-API-Key": "secret", "Connection": "keep-alive, X-Hop",
        "X-Hop": "1", "TE": "trailers", "X-Keep": "yes", "traceparent": "00-aa-bb-01",
    }  # fmt: skip

    headers = dict((await work.post("/v1/echo", headers=sent)).json()["headers"])

    assert headers["x-keep"] == "yes"
    assert headers["traceparent"] == "00-aa-bb-01"
    assert not {"authorization", "x-api-key", "x-hop", "te"} & set(headers)


async def test_request_without_a_trace_begins_one_named_as_itself(work):
    request_id = "0af7651916cd43dd8448eb211c80319c"

    named = await work.post("/v1/echo", headers={"X-Request-Id": request_id})
    other = await work.post("/v1/echo", headers={"X-Request-Id": "r-1"})

    traces = [dict(each.json()["headers"])["traceparent"] for each in (named, other)]
    assert traces[0].startswith(f"00-{request_id}-")
    assert all(re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", trace) for trace in traces)


async def test_remaining_time_travels_on(work):
    answer = await work.post("/v1/echo", headers={"X-Request-Timeout-Ms": "5000"})

    headers = dict(answer.json()["headers"])
    assert 0 < int(headers["x-request-timeout-ms"]) <= 5000


async def test_timings_of_gateway_and_service_are_joined(work):
    timing = (await work.post("/v1/echo")).headers["server-timing"]

    assert timing.startswith("gateway;dur=")
    assert timing.endswith(", inference;dur=7")


async def test_wrong_method_names_the_right_one(work):
    answer = await work.get("/v1/echo", headers={"X-Request-Id": "r-2"})

    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert answer.headers["x-request-id"] == "r-2"
    assert answer.json()["code"] == "method_not_allowed"


async def test_unknown_path_is_404_in_the_one_shape(work):
    answer = await work.post("/v1/nowhere")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not_found"


async def test_path_is_503_while_a_service_has_never_answered(gateway_over):
    silent = {"upstreams": {"ocr": "http://127.0.0.1:9"}}
    async with gateway_over(ready=False, **silent) as (_, client, _urls):
        answer = await client.post("/v1/ocr")

    assert answer.status_code == 503
    assert "ocr" in answer.json()["detail"]
    assert int(answer.headers["retry-after"]) >= 1


async def test_body_streams_on_before_it_is_complete(gateway_over):
    first_seen = asyncio.Event()

    async def notice(scope, receive, send):
        message = await receive()
        assert message["body"] == b"first"
        first_seen.set()
        rest = await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": rest["body"]})

    async def pieces():
        yield b"first"
        await first_seen.wait()  # deadlocks if the gateway waits for the whole body
        yield b"second"

    async with gateway_over(Upstream(notice)) as (_, client, _urls):
        answer = await client.post("/v1/echo", content=pieces())

    assert answer.content == b"second"


async def test_answer_streams_on_before_it_is_complete(gateway_over):
    first_read = asyncio.Event()

    async def tell(scope, receive, send):
        head = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        await first_read.wait()
        await send({"type": "http.response.body", "body": b"data: 2\n\n"})

    async with (
        gateway_over(Upstream(tell)) as (_, client, _urls),
        client.stream("POST", "/v1/echo") as answer,
    ):
        pieces = answer.aiter_raw()
        assert await anext(pieces) == b"data: 1\n\n"
        first_read.set()
        assert await anext(pieces) == b"data: 2\n\n"


@pytest.mark.parametrize("announced", [True, False])
async def test_body_over_the_limit_is_refused(gateway_over, announced):
    async def pieces():
        for _ in range(20):
            yield b"x" * 100

    content = b"x" * 2000 if announced else pieces()
    upstream = Upstream(paths=[offered(max_body_bytes=1000)])
    async with gateway_over(upstream) as (_, client, _urls):
        answer = await client.post("/v1/echo", content=content)

    assert answer.status_code == 413
    assert answer.json()["code"] == "payload_too_large"


async def test_expired_deadline_is_504_and_the_service_sees_the_client_leave(gateway_over):
    left = asyncio.Event()

    async def hang(scope, receive, send):
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()

    async with gateway_over(Upstream(hang)) as (_, client, _urls):
        answer = await client.post("/v1/echo", headers={"X-Request-Timeout-Ms": "100"})
        async with asyncio.timeout(5):
            await left.wait()

    assert answer.status_code == 504
    assert answer.json()["code"] == "deadline_exceeded"


async def test_malformed_timeout_is_refused(work):
    answer = await work.post("/v1/echo", headers={"X-Request-Timeout-Ms": "soon"})

    assert answer.status_code == 400


@pytest.mark.parametrize("is_stream", [False, True])
async def test_leaving_client_ends_the_work_at_the_service(gateway_over, is_stream):
    left = asyncio.Event()

    async def work_on(scope, receive, send):
        await receive()
        if is_stream:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()

    upstream = Upstream(work_on)
    async with gateway_over(upstream) as (_, client, _urls):
        asking = asyncio.ensure_future(client.post("/v1/echo", json=1))
        async with asyncio.timeout(5):
            await upstream.arrived.wait()
            asking.cancel()
            await left.wait()


async def test_service_that_breaks_off_before_its_answer_is_502(gateway_over):
    async def break_off(reader, writer):
        await reader.readline()
        writer.close()

    upstream = Upstream(paths=[offered(replayable=False)])
    async with gateway_over(upstream, hold_s=0) as (gateway, client, _urls):
        server = await asyncio.start_server(break_off, "127.0.0.1", 0)
        async with server:
            # The replica's address now leads to a server that hangs up.
            replica = next(gateway.registry.replicas())
            replica.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            answer = await client.post("/v1/echo", json=1)

    assert answer.status_code == 502
    assert answer.json()["code"] == "upstream_broken"


async def test_answer_cut_short_never_looks_complete(gateway_over):
    async def cut(scope, receive, send):
        await receive()
        head = [(b"content-length", b"1000000")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        # Returning here makes the server close the connection.

    async with gateway_over(Upstream(cut)) as (_, client, _urls):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post("/v1/echo", json=1)


async def test_short_answer_that_breaks_off_is_asked_for_again(gateway_over):
    calls = []

    async def cut_once(scope, receive, send):
        calls.append(1)
        await read_body(receive)
        head = [(b"content-length", b"3")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        content = b"ab" if len(calls) == 1 else b"abc"
        await send({"type": "http.response.body", "body": content, "more_body": len(calls) == 1})

    async with gateway_over(Upstream(cut_once)) as (_, client, _urls):
        answer = await client.post("/v1/echo", json=1)

    assert answer.content == b"abc"
    assert answer.headers["x-attempts"] == "2"


async def test_error_of_the_service_goes_on_unchanged(gateway_over):
    async def refuse(scope, receive, send):
        await read_body(receive)
        await answer_problem(send, 415, "unsupported_media")

    async with gateway_over(Upstream(refuse)) as (_, client, _urls):
        answer = await client.post("/v1/echo", content=b"x")

    assert answer.status_code == 415
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {"code": "unsupported_media", "detail": "unsupported_media"}


async def test_malformed_request_id_is_replaced(work):
    answer = await work.post("/v1/echo", headers={"X-Request-Id": "a b"})

    assert len(answer.headers["x-request-id"]) == 32
    assert dict(answer.json()["headers"])["x-request-id"] == answer.headers["x-request-id"]


async def test_services_get_the_internal_token_and_never_the_clients(gateway_over):
    upstream = Upstream()
    async with gateway_over(upstream, internal_token="t" * 16) as (_, client, _urls):
        await client.post("/v1/echo", headers={"X-Internal-Token": "forged"})

    assert upstream.requests[0][1]["x-internal-token"] == "t" * 16


@pytest.mark.parametrize("kind", [DirectRequest, Exchange])
@pytest.mark.parametrize("body", [None, b"x" * 20_000])
async def test_answered_requests_are_freed_without_the_collector(gateway_over, body, kind):
    upstream = Upstream(paths=[offered(), offered("/v1/look", "GET")])
    async with gateway_over(upstream, direct=kind is DirectRequest) as (_, client, _urls):
        gc.collect()
        gc.disable()
        try:
            for _ in range(5):
                await (client.post("/v1/echo", content=body) if body else client.get("/v1/look"))
            left = [each for each in gc.get_objects() if type(each) is kind]
        finally:
            gc.enable()

    assert len(left) <= 1  # the last one's task may still be ending
