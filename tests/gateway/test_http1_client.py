"""The upstream client against servers that write bytes of the tests' choice."""

import asyncio
import contextlib
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.http1_client import Http1Client
from gateway.upstream import ConnectionLost, NotConnected, UpstreamRequest
from shared.errors import BadRequest

PATIENCE_S = 10


class Server:
    """Answers each request with the next of the given byte strings; None closes."""

    def __init__(self, *answers, close_after=False):
        self.answers = list(answers)
        self.close_after = close_after
        self.heads = []
        self.bodies = []
        self.connections = 0
        self.arrived = asyncio.Event()
        self.closed = asyncio.Event()

    async def __call__(self, reader, writer):
        self.connections += 1
        try:
            while self.answers:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                self.arrived.set()
                self.bodies.append(await read_body(head, reader))
                for piece in as_pieces(self.answers.pop(0)):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if self.close_after:
                    break
            else:
                await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        self.closed.set()


def as_pieces(answer):
    return [answer] if isinstance(answer, bytes) else answer


async def read_body(head, reader):
    if b"content-length: " in head:
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return await reader.readexactly(length)
    body = b""
    if b"transfer-encoding: chunked" in head:
        while size := int((await reader.readuntil(b"\r\n")), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    return body


@asynccontextmanager
async def client_of(handler, **options):
    handling = set()

    async def handle(reader, writer):
        handling.add(asyncio.current_task())
        try:
            await handler(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    listener = await asyncio.start_server(handle, "127.0.0.1", 0)
    client = Http1Client(**{"connect_timeout_s": 2.0, "keepalive_s": 60.0, **options})
    origin = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield client, origin
    finally:
        await client.close()
        await asyncio.gather(*handling)
        listener.close()


async def whole(response):
    return b"".join([piece async for piece in response.chunks()])


def ask(origin, method="GET", body=None, **more):
    return UpstreamRequest(method, origin, b"/x?y=1", more.pop("headers", ()), body, **more)


def answer(body, *lines, status=b"200 OK"):
    head = [b"HTTP/1.1 " + status, *lines, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


async def test_answer_is_kept_though_its_connection_takes_the_next_request_at_once():
    async def echo(reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                writer.write(answer(head.split()[1]))

    async def ask_often(client, origin, name):
        found = []
        for number in range(20):
            target = b"/%d/%d" % (name, number)
            response = await client.send(UpstreamRequest("GET", origin, target, ()))
            found.append(await whole(response) == target)
        return found

    async with client_of(echo) as (client, origin):
        found = await asyncio.gather(*(ask_often(client, origin, name) for name in range(8)))

    assert all(all(each) for each in found)


async def test_request_arrives_as_given_and_the_connection_is_used_again():
    server = Server(answer(b"one", b"X-A: 1"), answer(b"two"))
    async with client_of(server) as (client, origin):
        first = await client.send(ask(origin, "POST", b"abc", headers=[(b"x-b", b"2")]))
        assert await whole(first) == b"one"
        second = await client.send(ask(origin))
        assert await whole(second) == b"two"

    host = origin.removeprefix("http://").encode()
    assert server.heads[0] == (
        b"POST /x?y=1 HTTP/1.1\r\nhost: " + host + b"\r\nx-b: 2\r\ncontent-length: 3\r\n\r\n"
    )
    assert server.bodies[0] == b"abc"
    assert (b"x-a", b"1") in first.headers
    assert server.connections == 1


async def pieces_of(*pieces):
    for piece in pieces:
        yield piece


@pytest.mark.parametrize("length", [None, 5])
async def test_body_in_pieces_is_framed(length):
    server = Server(answer(b""))
    async with client_of(server) as (client, origin):
        request = ask(origin, "POST", pieces_of(b"ab", b"", b"cde"), length_bytes=length)
        await whole(await client.send(request))

    assert server.bodies == [b"abcde"]
    assert (b"chunked" in server.heads[0]) is (length is None)


@pytest.mark.parametrize("length", [4, 6])
async def test_body_of_another_length_than_announced_breaks_the_request(length):
    async with client_of(Server(answer(b""))) as (client, origin):
        with pytest.raises(ConnectionLost):
            await client.send(ask(origin, "POST", pieces_of(b"ab", b"cde"), length_bytes=length))


async def test_failing_body_breaks_the_request():
    async def failing():
        yield b"ab"
        raise LookupError

    async with client_of(Server(answer(b""))) as (client, origin):
        with pytest.raises(ConnectionLost):
            await client.send(ask(origin, "POST", failing()))


async def test_line_break_in_a_header_is_never_sent():
    server = Server(answer(b""))
    async with client_of(server) as (client, origin):
        for value in (b"1\r\nx-evil: 2", b"1\nx", b"1\rx"):
            with pytest.raises(BadRequest):
                await client.send(ask(origin, headers=[(b"x-a", value)]))

    assert server.heads == []


async def test_nothing_that_listens_is_told_apart_from_a_lost_connection():
    async with client_of(Server()) as (client, _):
        with pytest.raises(NotConnected):
            await client.send(ask("http://127.0.0.1:9"))


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x-a: " + b"b" * 70_000 + b"\r\n\r\n",
    ],
)
async def test_answer_without_a_valid_head_is_a_lost_connection(broken):
    async with client_of(Server(broken, close_after=True)) as (client, origin):
        with pytest.raises(ConnectionLost):
            await client.send(ask(origin))


@pytest.mark.parametrize(
    "cut",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ],
)
async def test_answer_that_breaks_off_never_looks_complete(cut):
    async with client_of(Server(cut, close_after=True)) as (client, origin):
        response = await client.send(ask(origin))
        with pytest.raises(ConnectionLost):
            await whole(response)
        assert response.whole() is None


async def test_answer_without_a_length_ends_with_its_connection():
    server = Server(b"HTTP/1.1 200 OK\r\n\r\nabc", close_after=True)
    async with client_of(server) as (client, origin):
        assert await whole(await client.send(ask(origin))) == b"abc"


async def test_informational_answers_are_skipped():
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    async with client_of(Server(hints + answer(b"x"))) as (client, origin):
        response = await client.send(ask(origin))
        assert response.status == 200
        assert await whole(response) == b"x"


async def test_trailers_are_dropped():
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-T: 1\r\n\r\n"
    async with client_of(Server(chunked)) as (client, origin):
        response = await client.send(ask(origin))
        assert await whole(response) == b"x"
        assert b"x-t" not in dict(response.headers)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_answer_without_a_body_frees_its_connection(status):
    server = Server(b"HTTP/1.1 " + status + b"\r\n\r\n", answer(b"x"))
    async with client_of(server) as (client, origin):
        assert await whole(await client.send(ask(origin))) == b""
        assert await whole(await client.send(ask(origin))) == b"x"

    assert server.connections == 1


async def test_answer_to_head_has_no_body_whatever_it_announces():
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", answer(b"x"))
    async with client_of(server) as (client, origin):
        assert await whole(await client.send(ask(origin, "HEAD"))) == b""
        assert await whole(await client.send(ask(origin))) == b"x"


async def test_bytes_that_nobody_asked_for_never_answer_the_next_request():
    server = Server(answer(b"one") + answer(b"forged"), answer(b"two"))
    async with client_of(server) as (client, origin):
        assert await whole(await client.send(ask(origin))) == b"one"
        assert await whole(await client.send(ask(origin))) == b"two"

    assert server.connections == 2


async def test_connection_that_asks_to_be_closed_is_not_used_again():
    server = Server(answer(b"one", b"Connection: close"), answer(b"two"))
    async with client_of(server) as (client, origin):
        assert await whole(await client.send(ask(origin))) == b"one"
        assert await whole(await client.send(ask(origin))) == b"two"

    assert server.connections == 2


async def test_connection_idle_for_too_long_is_closed():
    server = Server(answer(b"one"), answer(b"two"))
    async with client_of(server, keepalive_s=0.01) as (client, origin):
        assert await whole(await client.send(ask(origin))) == b"one"
        await server.closed.wait()
        assert await whole(await client.send(ask(origin))) == b"two"

    assert server.connections == 2


async def test_cancelled_request_closes_its_connection():
    server = Server([])  # reads the request and says nothing
    async with client_of(server) as (client, origin):
        asking = asyncio.ensure_future(client.send(ask(origin)))
        await server.arrived.wait()
        asking.cancel()
        await server.closed.wait()


async def test_answer_before_the_end_of_the_body_stops_the_body():
    async def endless():
        while True:
            yield b"x" * 1000

    async def refuse(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(b"no", status=b"413 Too Large"))
        while await reader.read(2**16):
            pass

    async with client_of(refuse) as (client, origin):
        response = await client.send(ask(origin, "POST", endless()))
        assert response.status == 413
        assert await whole(response) == b"no"


async def test_slow_reader_holds_the_service_back():
    sent, block = 0, bytes(2**16)

    async def pour(reader, writer):
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.set_write_buffer_limits(high=2**16)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (2000 * len(block)))
        for _ in range(2000):
            writer.write(block)
            await writer.drain()
            sent += len(block)

    async with client_of(pour) as (client, origin):
        response = await client.send(ask(origin))
        before = -1
        while sent != before:  # until the buffers on the way are full
            before = sent
            for _ in range(1000):
                await asyncio.sleep(0)
        held = response.held_bytes
        taken = 0
        async for piece in response.chunks():
            taken += len(piece)

    assert held < 2**20
    assert before < 2000 * len(block)
    assert taken == 2000 * len(block)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    body=st.binary(max_size=300),
    cuts=st.lists(st.integers(1, 400), max_size=8),
    is_chunked=st.booleans(),
)
async def test_answer_is_the_same_however_the_network_cuts_it(body, cuts, is_chunked):
    message = answer(body)
    if is_chunked:
        framed = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        message = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n"
    places = sorted({0, len(message), *(cut for cut in cuts if cut < len(message))})
    pieces = [message[a:b] for a, b in zip(places, places[1:], strict=False)]
    async with client_of(Server(pieces)) as (client, origin):
        response = await client.send(ask(origin))
        assert await whole(response) == body
