"""Direct routes on a real server: what they answer, and what they leave to the application."""

import asyncio
import contextlib
import json
import re

import pytest

from shared.app import http_protocol
from shared.direct import DirectPaths
from shared.errors import NotReady
from shared.server_protocol import ServerProtocol
from shared.settings import ServiceSettings
from shared.testing import running_server
from tests.shared import echo

PATH = "/v1/echo"


class Route:
    """Answers ``{"direct": body}``, or does what the body names."""

    def __init__(self):
        self.waiting, self.abandoned = asyncio.Event(), asyncio.Event()
        self.model = "m"

    def start(self, body, call):
        asked = json.loads(body)
        if asked == "decline":
            return False
        if asked == "crash":
            raise RuntimeError("secret detail")
        if asked == "refuse":
            call.fail(NotReady("not now", retry_after_s=3))
        elif asked == "wait":
            call.abandon = self.abandoned.set
            self.waiting.set()
        else:
            content = json.dumps({"direct": asked}).encode()
            call.answer(content, model=self.model, device="cpu", timing="queue;dur=1")
        return True


@pytest.fixture
def route():
    return Route()


@contextlib.asynccontextmanager
async def serving(route, **settings):
    """The echo service with a direct route on its path, and a way to open connections to it."""
    app = echo.build(settings=ServiceSettings(**settings))
    app.direct = DirectPaths({PATH: route}, app.layer)
    async with running_server(app) as url:
        await app.state.host.settled()
        port = int(url.rpartition(":")[2])
        writers = []

        async def connect():
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)
            return reader, writer

        try:
            yield connect
        finally:
            for writer in writers:
                writer.close()


def request(value, *lines, method="POST", path=PATH, body=None):
    body = json.dumps(value).encode() if body is None else body
    head = [f"{method} {path} HTTP/1.1", "host: x", "content-type: application/json", *lines]
    if not any(line.lower().startswith("transfer-encoding") for line in lines):
        head.append(f"content-length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode() + body


async def answer(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    content = await reader.readexactly(int(headers["content-length"]))
    return int(head[0].split()[1]), headers, json.loads(content)


async def ask(route, *messages, **settings):
    """Send messages on one connection and return the last answer."""
    async with serving(route, **settings) as connect:
        reader, writer = await connect()
        for message in messages:
            writer.write(message)
            last = await answer(reader)
        return last


async def test_direct_answer_carries_the_common_headers(route):
    status, headers, body = await ask(route, request(7, "x-request-id: abc"))

    assert (status, body) == (200, {"direct": 7})
    assert headers["x-request-id"] == "abc"
    assert headers["x-service"] == "echo"
    assert headers["x-model"] == "m"
    assert headers["x-device"] == "cpu"
    assert headers["x-cache"] == "off"
    assert headers["server-timing"] == "queue;dur=1"
    assert "date" in headers


async def test_direct_answer_names_a_model_beyond_ascii_percent_encoded(route):
    route.model = "\ubd80\ud488"

    status, headers, _ = await ask(route, request(7))

    assert (status, headers["x-model"]) == (200, "%EB%B6%80%ED%92%88")


async def test_one_connection_serves_direct_and_other_requests_in_turn(route):
    async with serving(route) as connect:
        reader, writer = await connect()
        found = []
        for message in (
            request(1),
            request("decline"),
            request(2),
            request(None, method="GET", path="/livez", body=b""),
            request(3),
        ):
            writer.write(message)
            found.append((await answer(reader))[2])

    assert found == [{"direct": 1}, "decline", {"direct": 2}, {"status": "ok"}, {"direct": 3}]


async def test_pipelined_requests_are_answered_in_order(route):
    async with serving(route) as connect:
        reader, writer = await connect()
        livez = request(None, method="GET", path="/livez", body=b"")
        writer.write(request(1) + livez + request(2) + request("decline") + request(3))
        found = [(await answer(reader))[2] for _ in range(5)]

    # Behind one that the application answers, the others are the application's too.
    assert found == [{"direct": 1}, {"status": "ok"}, 2, "decline", 3]


async def test_body_in_pieces_is_left_to_the_application(route):
    async with serving(route) as connect:
        reader, writer = await connect()
        whole = request("in two pieces")
        writer.write(whole[:-5])
        await asyncio.sleep(0.05)
        writer.write(whole[-5:])

        assert (await answer(reader))[2] == "in two pieces"


async def test_chunked_body_that_came_whole_is_answered(route):
    chunked = request(None, "transfer-encoding: chunked", body=b"3\r\n123\r\n0\r\n\r\n")

    assert (await ask(route, chunked))[2] == {"direct": 123}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x-request-timeout-ms: soon", 400),
        ("x-internal-token: wrong", 401),
        ("content-type: text/plain", 200),
    ],
)
async def test_what_is_not_plain_is_judged_by_the_application(route, line, expected):
    token = "a" * 16
    lines = [line] if line.startswith("x-internal") else [line, f"x-internal-token: {token}"]
    message = request(7, *lines)
    if line.startswith("content-type"):
        message = message.replace(b"content-type: application/json\r\n", b"", 1)

    status, _, body = await ask(route, message, internal_token=token)

    assert status == expected
    assert body != {"direct": 7}


async def test_right_token_is_let_in(route):
    token = "a" * 16

    assert (await ask(route, request(7, f"x-internal-token: {token}"), internal_token=token))[
        2
    ] == {"direct": 7}


async def test_body_over_the_limit_is_refused(route):
    status, _, body = await ask(route, request("x" * (2**20 + 1)))

    assert (status, body["code"]) == (413, "payload_too_large")


async def test_refusal_has_the_one_error_shape_and_a_time_to_retry(route):
    status, headers, body = await ask(route, request("refuse", "x-request-id: abc"))

    assert status == 503
    assert headers["content-type"] == "application/problem+json"
    assert headers["retry-after"] == "3"
    assert (body["code"], body["request_id"], body["instance"]) == ("not_ready", "abc", PATH)


async def test_text_of_an_unforeseen_error_stays_inside(route):
    status, _, body = await ask(route, request("crash"))

    assert (status, body["code"]) == (500, "internal_error")
    assert "secret" not in json.dumps(body)


async def test_request_ends_at_its_deadline_and_its_work_is_abandoned(route):
    status, _, body = await ask(route, request("wait", "x-request-timeout-ms: 30"))

    assert (status, body["code"]) == (504, "deadline_exceeded")
    assert route.abandoned.is_set()


async def test_earlier_deadline_than_the_one_waited_for_is_kept(route):
    async with serving(route) as connect:
        (_, first), (reader, second) = await connect(), await connect()
        first.write(request("wait", "x-request-timeout-ms: 20000"))
        await route.waiting.wait()
        second.write(request("wait", "x-request-timeout-ms: 30"))

        assert (await answer(reader))[0] == 504


async def test_client_that_leaves_has_its_work_abandoned(route):
    async with serving(route) as connect:
        _, writer = await connect()
        writer.write(request("wait"))
        await route.waiting.wait()
        writer.close()

        await asyncio.wait_for(route.abandoned.wait(), 10)


async def test_connection_is_closed_for_a_client_that_asks_for_it(route):
    async with serving(route) as connect:
        reader, writer = await connect()
        writer.write(request(7, "connection: close"))
        _, headers, _ = await answer(reader)

        assert headers["connection"] == "close"
        assert await reader.read() == b""


async def test_malformed_request_is_refused(route):
    async with serving(route) as connect:
        reader, writer = await connect()
        writer.write(b"POST " + PATH.encode() + b" HTTP/1.1\r\nbad header\r\n\r\n")

        assert (await reader.readline()).split()[1] == b"400"


async def test_client_that_waits_to_be_asked_for_its_body_is_asked(route):
    async with serving(route) as connect:
        reader, writer = await connect()
        whole = request(7, "expect: 100-continue")
        writer.write(whole[:-1])
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.write(whole[-1:])

        assert (await answer(reader))[2] == 7


@pytest.mark.parametrize(
    "second",
    [
        request(2),
        request(22),
        request("decline"),
        request(2, "x-request-id: abc"),
        request(2, "transfer-encoding: chunked", body=b"1\r\n2\r\n0\r\n\r\n"),
        request(2) + request(3),
        request(2)[:-1],
        request(2, method="GET", path="/livez", body=b""),
    ],
    ids=lambda each: repr(each[-40:]),
)
async def test_head_that_was_seen_before_changes_no_answer(route, second):
    async def answers(*messages):
        async with serving(route) as connect:
            reader, writer = await connect()
            for message in messages:
                writer.write(message)
                await answer(reader)
            writer.write(second)
            if second == request(2)[:-1]:
                await asyncio.sleep(0)
                writer.write(b"2")
            writer.write(request(9, "connection: close"))
            shown = await reader.read()
        return re.sub(rb"(x-request-id|date|server-timing): [^\r]*", b"", shown)

    assert await answers(request(1), request(1)) == await answers()


async def test_head_of_a_body_in_chunks_is_not_taken_for_one_with_a_length(route):
    chunked = request(7, "transfer-encoding: chunked", body=b"1\r\n7\r\n0\r\n\r\n")
    head = chunked[: chunked.index(b"\r\n\r\n") + 4]
    async with serving(route) as connect:
        reader, writer = await connect()
        writer.write(chunked)
        first = (await answer(reader))[2]
        writer.write(head + b"2")  # the length of a chunk, so far
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await reader.read(1)

    assert first == {"direct": 7}


async def test_head_that_was_seen_before_keeps_the_clients_request_id(route):
    named = request(1, "x-request-id: abc")

    _, headers, _ = await ask(route, named, named)

    assert headers["x-request-id"] == "abc"


async def test_head_that_was_seen_before_keeps_deadline_and_token(route):
    token = "x-internal-token: 0123456789abcdef"
    asked = (
        request(1, token),
        request(1, token),
        request("wait", token, "x-request-timeout-ms: 1"),
    )
    async with serving(route, internal_token="0123456789abcdef") as connect:
        reader, writer = await connect()
        found = []
        for message in (*asked, request(1)):
            writer.write(message)
            found.append((await answer(reader))[0])

    assert found == [200, 200, 504, 401]


async def test_direct_answers_are_counted_like_others(route):
    async with serving(route) as connect:
        reader, writer = await connect()
        for value in (1, 2, "decline", "refuse"):
            writer.write(request(value))
            await answer(reader)
        writer.write(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        shown = (await reader.read()).decode()

    counted = 'gantry_requests_total{method="POST",route="/v1/echo",status='
    assert counted + '"200"} 3.0' in shown
    assert counted + '"503"} 1.0' in shown
    assert 'gantry_request_duration_seconds_count{route="/v1/echo"} 4.0' in shown
    assert "gantry_requests_in_flight 1.0" in shown  # the one that asks


def test_service_without_direct_routes_holds_no_request_back():
    assert http_protocol(echo.build()) is ServerProtocol
