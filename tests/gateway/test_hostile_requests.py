import asyncio

import pytest

from tests.gateway.upstream import Upstream, offered

BODY = b"GET /v1/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD = b"POST /v1/echo HTTP/1.1\r\nHost: x\r\n"


def with_headers(*lines, body=BODY):
    return HEAD + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


SMUGGLING = {
    "length and chunks": with_headers(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "chunks and length": with_headers(b"Transfer-Encoding: chunked", b"Content-Length: 5"),
    "two lengths": with_headers(b"Content-Length: 0", b"Content-Length: 40"),
    "signed length": with_headers(b"Content-Length: +5"),
    "length with a comma": with_headers(b"Content-Length: 5, 40"),
    "negative length": with_headers(b"Content-Length: -1"),
    "hidden encoding": with_headers(b"Transfer-Encoding: xchunked"),
    "encoding with a tab": with_headers(b"Transfer-Encoding:\tchunked, identity"),
    "folded header": with_headers(b"Transfer-Encoding:", b" chunked", b"Content-Length: 3"),
    "blank before the colon": with_headers(b"Transfer-Encoding : chunked"),
    "bad chunk size": with_headers(b"Transfer-Encoding: chunked", body=b"zz\r\n" + BODY),
    "signed chunk size": with_headers(
        b"Transfer-Encoding: chunked", body=b"+5\r\nabcde\r\n" + BODY
    ),
    "no end of chunk": with_headers(b"Transfer-Encoding: chunked", body=b"5\r\nabcdeXX" + BODY),
    "bare line feeds": HEAD.replace(b"\r\n", b"\n") + b"Content-Length: 5\n\n" + BODY,
    "null in a header": with_headers(b"X-A: a\x00b", b"Content-Length: 0"),
}


@pytest.fixture
async def gateway_port(gateway_over):
    upstream = Upstream(paths=[offered(), offered("/v1/smuggled", "GET")])
    async with gateway_over(upstream) as (_, client, _urls):
        yield client.base_url.port, upstream


@pytest.mark.parametrize("name", SMUGGLING)
async def test_ambiguous_framing_never_smuggles_a_request_to_the_service(gateway_port, name):
    port, upstream = gateway_port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(SMUGGLING[name])
    writer.write_eof()
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()

    # The gateway may answer what lies behind the first request on the same connection, as long as
    # it takes the two apart as the client's framing says; the service must never see it inside.
    statuses = [line for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    assert all(line.split()[1] in (b"200", b"400", b"413", b"501") for line in statuses)
    for _path, headers in upstream.requests:
        assert not ({"content-length", "transfer-encoding"} <= set(headers))
    assert len(upstream.requests) == sum(b" 200 " in line for line in statuses)


@pytest.mark.parametrize(
    "path",
    ["/v1/echo/../../admin/services", "/v1/%2e%2e/readyz", "//v1/echo", "/v1/echo%00", "/v1//"],
)
async def test_odd_paths_reach_no_service(gateway_port, path):
    port, upstream = gateway_port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n".encode())
    writer.write(b"Connection: close\r\n\r\n")
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()

    assert answer.split()[1] in (b"400", b"404")
    assert upstream.requests == []
