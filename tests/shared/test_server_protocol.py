"""The server's side of a connection, as a client sees it that writes bytes of its own choice."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from shared.http import WHEN_GONE
from shared.server_protocol import (
    MAX_HEAD_BYTES,
    READ_AHEAD_BYTES,
    ServerProtocol,
    protocol_with_head_timeout,
)
from shared.testing import running_server
from tests.gateway.upstream import read_body

GET = b"GET /a?b=1 HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


async def echo(scope, receive, send):
    """Answer with path and body."""
    body = await read_body(receive) or b""
    content = scope["raw_path"] + b"?" + scope["query_string"] + b" " + body
    head = [(b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": content})


@asynccontextmanager
async def connection(app, protocol=ServerProtocol):
    async def http_only(scope, receive, send):
        if scope["type"] == "http":
            await app(scope, receive, send)

    async with asyncio.timeout(20), running_server(http_only, protocol) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        try:
            yield reader, writer
        finally:
            writer.close()
            await writer.wait_closed()


async def answer_of(reader):
    """Status, headers and body of an answer with a length."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:-2])
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return int(head[0].split()[1]), headers, body


async def test_requests_of_one_connection_are_answered_in_order_even_sent_at_once():
    async with connection(echo) as (reader, writer):
        post = b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
        writer.write(GET + post + LAST)
        bodies = [(await answer_of(reader))[2] for _ in range(3)]
        rest = await reader.read()

    assert bodies == [b"/a?b=1 ", b"/p? abc", b"/last? "]
    assert rest == b""


async def test_request_is_the_same_wherever_the_network_cuts_it():
    head = b"POST /p?q HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    message, answers = head + b"3\r\nabc\r\n0\r\n\r\n", set()
    async with connection(echo) as (reader, writer):
        for place in range(1, len(message)):
            writer.write(message[:place])
            await asyncio.sleep(0)
            writer.write(message[place:])
            status, _, body = await answer_of(reader)
            answers.add((status, body))

    assert answers == {(200, b"/p?q abc")}


async def test_request_behind_one_that_ends_the_connection_never_reaches_the_application():
    asked = []

    async def note(scope, receive, send):
        asked.append(scope["path"])
        await echo(scope, receive, send)

    async with connection(note) as (reader, writer):
        early = b"POST /p HTTP/1.0\r\nContent-Length: 1\r\n\r\nx"
        writer.write(early + GET)
        whole = await reader.read()

    assert asked == ["/p"]
    assert whole.count(b"HTTP/1.1 200") == 1


@pytest.mark.parametrize("rest", [b"\x00\x01\r\n\r\n", b"GET /x HT\x00P/1.1\r\n\r\n"])
async def test_whole_request_is_answered_whatever_follows_it(rest):
    async with connection(echo) as (reader, writer):
        writer.write(GET + rest)
        status, _, body = await answer_of(reader)
        end = await reader.read()

    assert (status, body) == (200, b"/a?b=1 ")
    assert end == b""


async def test_client_that_waits_for_leave_to_send_gets_it():
    async with connection(echo) as (reader, writer):
        writer.write(
            b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        )
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert (await answer_of(reader))[2] == b"/p? abc"


async def test_answer_before_the_end_of_the_body_arrives_and_the_connection_goes_on():
    async def refuse(scope, receive, send):
        if scope["path"] != "/p":
            await echo(scope, receive, send)
            return
        head = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 413, "headers": head})
        await send({"type": "http.response.body", "body": b"no"})

    async with connection(refuse) as (reader, writer):
        writer.write(b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n")
        assert (await answer_of(reader))[0] == 413
        writer.write(bytes(300_000) + GET)
        assert (await answer_of(reader))[2] == b"/a?b=1 "


async def test_head_that_is_too_large_is_431_in_the_one_shape():
    async with connection(echo) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nX-A: " + b"a" * (MAX_HEAD_BYTES + 1) + b"\r\n\r\n")
        status, headers, body = await answer_of(reader)
        rest = await reader.read()

    assert (status, headers["content-type"]) == (431, "application/problem+json")
    assert json.loads(body)["code"] == "head_too_large"
    assert rest == b""


async def test_what_is_no_http_is_400_in_the_one_shape():
    async with connection(echo) as (reader, writer):
        writer.write(b"\x16\x03\x01\r\n\r\n")
        status, _, body = await answer_of(reader)

    assert status == 400
    assert json.loads(body)["code"] == "bad_request"


async def test_old_client_gets_an_answer_without_chunks():
    async def stream(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b"})

    async with connection(stream) as (reader, writer):
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")

    assert b"chunked" not in head
    assert body == b"ab"


async def test_answer_to_head_has_the_length_and_no_body():
    async with connection(echo) as (reader, writer):
        writer.write(b"HEAD /h HTTP/1.1\r\nHost: x\r\n\r\n" + LAST)
        whole = await reader.read()

    first, second = whole.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert b"content-length: 4\r\n" in first
    assert first.endswith(b"\r\n\r\n")
    assert second.endswith(b"/last? ")


async def test_head_of_a_stream_leaves_before_its_first_piece():
    may_end = asyncio.Event()

    async def stream(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await may_end.wait()
        await send({"type": "http.response.body", "body": b"x"})

    async with connection(stream) as (reader, writer):
        writer.write(GET)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        may_end.set()
        assert await reader.readuntil(b"0\r\n\r\n") == b"1\r\nx\r\n0\r\n\r\n"


@pytest.mark.parametrize("fault", ["raises", "is silent", "too short", "line break"])
async def test_application_that_fails_never_gives_an_answer_that_looks_complete(fault, caplog):
    async def failing(scope, receive, send):
        if fault == "raises":
            raise LookupError("secret")
        if fault == "is silent":
            return
        value = b"a\r\nx-evil: 1" if fault == "line break" else b"a"
        head = [(b"content-length", b"5"), (b"x-a", value)]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": b"abc"})

    async with connection(failing) as (reader, writer):
        writer.write(LAST)
        whole = await reader.read()

    assert b"secret" not in whole
    assert b"x-evil" not in whole
    assert whole.startswith(b"HTTP/1.1 500") or whole == b"" or not whole.endswith(b"abc")
    assert "unforeseen error" in caplog.text


async def test_leaving_client_is_told_to_the_application():
    left = asyncio.Event()

    async def wait(scope, receive, send):
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()

    async with connection(wait) as (_, writer):
        writer.write(GET)
        writer.close()
        await left.wait()


@pytest.mark.parametrize("size", [1, 3 * READ_AHEAD_BYTES])
async def test_leaving_client_is_told_by_a_call_once_its_body_is_read(size):
    asked, left = asyncio.Event(), asyncio.Event()

    async def wait(scope, receive, send):
        await read_body(receive)
        scope["extensions"][WHEN_GONE](left.set)
        asked.set()
        await left.wait()

    async with connection(wait) as (_, writer):
        writer.write(b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        writer.write(bytes(size))
        await asked.wait()
        assert not left.is_set()
        writer.close()
        await left.wait()


async def test_client_that_stays_is_not_told_to_have_left():
    left, scopes = [], []

    async def answer(scope, receive, send):
        scope["extensions"][WHEN_GONE](lambda: left.append(scope))
        scopes.append(scope)
        await echo(scope, receive, send)

    async with connection(answer) as (reader, writer):
        writer.write(GET)
        await answer_of(reader)
        writer.write(LAST)
        await reader.read()

    assert left == []
    assert [each["extensions"] for each in scopes] == [{}, {}]  # no cycle of references is left


async def test_reader_that_is_slow_holds_the_application_back():
    sent = []

    async def pour(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(2000):
            sent.append(number)
            await send({"type": "http.response.body", "body": bytes(2**16), "more_body": True})
        await send({"type": "http.response.body"})

    async with connection(pour) as (reader, writer):
        writer.write(GET)
        before = -1
        while len(sent) != before:  # until the buffers on the way are full
            before = len(sent)
            for _ in range(200):
                await asyncio.sleep(0)

    assert 0 < before < 2000


async def test_idle_connection_is_closed():
    class Hasty(protocol_with_head_timeout(0.05)):
        pass

    async with connection(echo, Hasty) as (reader, _):
        assert await reader.read() == b""
