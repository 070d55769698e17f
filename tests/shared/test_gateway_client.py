import asyncio
import time

import httpx
import pytest
from fastapi import FastAPI, Request

from shared.context import RequestContext, entered
from shared.errors import (
    DeadlineExceeded,
    InvalidInput,
    Unavailable,
    UpstreamBroken,
)
from shared.gateway_client import GatewayClient, NoGateway

SECRET = "an internal token"


@pytest.fixture
def gateway():
    """A small gateway that tells what it was sent."""
    app = FastAPI()

    @app.post("/v1/echo")
    async def echo(request: Request):
        body = (await request.body()).decode()
        return {"headers": dict(request.headers), "body": body, "query": dict(request.query_params)}

    @app.post("/v1/never")
    async def never():
        await asyncio.Event().wait()

    @app.post("/v1/text")
    async def text():
        return "plain"

    return app


def client_of(gateway, **options):
    settings = {"url": "http://gateway", "token": SECRET, "setting": "DRAWINGS_GATEWAY_URL"}
    transport = httpx.ASGITransport(gateway) if gateway else None
    return GatewayClient(**{**settings, **options}, transport=transport)


def asked(**headers):
    lines = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": lines})


def context(left_s=30.0):
    return entered(RequestContext("req-1", time.monotonic() + left_s))


async def test_call_carries_id_time_caller_hops_priority_and_the_token(gateway):
    request = asked(
        **{"x-caller": "key-7", "x-hops": "1", "x-priority": "bulk", "authorization": "secret"}
    )

    with context(left_s=30.0):
        calls = client_of(gateway).on_behalf_of(request)
        sent = await calls.post("/v1/echo", params={"dpi": 200}, content=b"abc", reserve_s=10)

    headers = sent["headers"]
    assert headers["x-request-id"] == "req-1"
    assert 19_000 < int(headers["x-request-timeout-ms"]) <= 20_000
    assert headers["x-caller"] == "key-7"
    assert headers["x-hops"] == "1"
    assert headers["x-priority"] == "bulk"
    assert headers["x-internal-token"] == SECRET
    assert "authorization" not in headers
    assert sent["body"] == "abc"
    assert sent["query"] == {"dpi": "200"}


async def test_header_with_bytes_beyond_ascii_travels_on_as_it_came(gateway):
    with context():
        calls = client_of(gateway).on_behalf_of(asked(traceparent="00-\u00e9"))
        sent = await calls.post("/v1/echo")

    assert sent["headers"]["traceparent"].encode("latin-1") == "00-\u00e9".encode()


async def test_without_an_address_the_call_says_what_to_set():
    calls = client_of(None, url=None).on_behalf_of(asked())

    with context(), pytest.raises(NoGateway, match="set DRAWINGS_GATEWAY_URL"):
        await calls.post("/v1/echo", json={})


async def test_answer_that_does_not_come_in_time_is_a_deadline(gateway):
    calls = client_of(gateway).on_behalf_of(asked())

    with context(left_s=0.05), pytest.raises(DeadlineExceeded):
        await calls.post("/v1/never", json={})


async def test_work_for_which_no_time_is_left_is_not_sent(gateway):
    calls = client_of(None, url="http://127.0.0.1:9").on_behalf_of(asked())

    with context(left_s=5.0), pytest.raises(DeadlineExceeded, match="left"):
        await calls.post("/v1/echo", json={}, reserve_s=6.0)


async def test_gateway_that_is_away_is_said_without_its_address():
    calls = client_of(None, url="http://127.0.0.1:9").on_behalf_of(asked())

    with context(), pytest.raises(UpstreamBroken) as caught:
        await calls.post("/v1/echo", json={})
    assert "127.0.0.1" not in caught.value.detail


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (422, {"code": "invalid_input", "detail": "material: unknown"}, InvalidInput),
        (503, {"code": "not_ready", "detail": "loading"}, Unavailable),
        (503, {}, Unavailable),
        (404, {"code": "no code of ours", "detail": "?"}, Exception),
    ],
)
async def test_problems_come_back_as_the_errors_that_they_were(status, body, expected):
    async def app(scope, receive, send):
        import json

        start = {"type": "http.response.start", "status": status, "headers": []}
        await send(start)
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})

    calls = client_of(app).on_behalf_of(asked())

    with context(), pytest.raises(expected) as caught:
        await calls.post("/v1/any", json={})
    assert caught.value.status == status


async def test_answer_that_is_no_json_is_a_broken_upstream():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"<html>"})

    calls = client_of(app).on_behalf_of(asked())

    with context(), pytest.raises(UpstreamBroken):
        await calls.post("/v1/any", json={})
