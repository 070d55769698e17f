"""The direct way beside the ordinary one: no answer, count or log line may show which was taken."""

import asyncio
import logging
import random
import re
from contextlib import asynccontextmanager, closing

import pytest
from prometheus_client import generate_latest

from gateway import key_store
from gateway.database import DATABASE_FILE, connect
from gateway.key_store import NewKey
from gateway.replica import ReplicaState
from gateway.routing_table import RoutingTable
from shared.log import request_id_var
from tests.gateway.conftest import warm
from tests.gateway.scripted import SCRIPTS, WAIT, Scripted, flat

PATIENCE_S = 10


def request(path="/v1/plain", *lines, method="POST", body=b"abc", version="1.1"):
    head = [f"{method} {path} HTTP/{version}", "Host: x", *lines]
    if body and not any(line.lower().startswith(("transfer", "content-l")) for line in lines):
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def get(*lines, path="/v1/look"):
    return request(path, *lines, method="GET", body=b"")


HEADERS = [
    "X-Request-Id: mine", "X-Request-Id: not good!", "traceparent: 00-aa-bb-01", "X-Priority: bulk",
    "X-Priority: never", "X-Request-Timeout-Ms: 5000", "X-Request-Timeout-Ms: soon",
    "X-Service-Version: 1", "X-Service-Version: 2", "Authorization: Bearer x", "X-API-Key: x",
    "X-Internal-Token: x", "Connection: close", "Connection: keep-alive, X-Mine", "X-Mine: 1",
    "X-Caller: me", "X-Hops: 9", "TE: trailers", "Accept: */*", "X-Empty:", "X-Twice: 1",
    "X-Twice: 2", "X-Latin: \xe9", "Server-Timing: x", "Keep-Alive: 5", "Proxy-Authorization: x",
]  # fmt: skip
KINDS = {
    **{name: [request(f"/v1/{name}")] for name in SCRIPTS if WAIT not in flat(name)},
    **{line: [request("/v1/plain", line)] for line in HEADERS},
    "out of time": [request("/v1/silent", "X-Request-Timeout-Ms: 40")],
    "out of time in the answer": [request("/v1/late", "X-Request-Timeout-Ms: 40")],
    "lost and not to be sent again": [request("/v1/once")],
    "get": [get()],
    "get with a query": [get(path="/v1/look?a=%2F&b=1")],
    "get with an empty query": [get(path="/v1/look?")],
    "get with a body": [request("/v1/look", method="GET")],
    "same head again": [request(), request(body=b"xyz"), request(body=b"four")],
    "same get again": [get(), get(), get("X-Request-Id: mine"), get()],
    "head known, body in pieces": [request(), [request()[:-1], request()[-1:]], request()],
    "head in pieces": [[request()[:9], request()[9:]]],
    "pipelined": [request() + get() + request("/v1/chunked") + request(), request()],
    "pipelined behind a known head": [request(), request() + get(), request()],
    "no body": [request(body=b"")],
    "empty body": [request("/v1/plain", "Content-Length: 0", body=b"")],
    "body in chunks": [
        request("/v1/plain", "Transfer-Encoding: chunked", body=b"1\r\nx\r\n0\r\n\r\n")
    ],
    "body over the limit": [request(body=b"x" * 1001)],
    "parameter": [request("/v1/of/7")],
    "encoded path": [request("/v1/of/%37%2F")],
    "absolute target": [request("http://other/v1/plain")],
    "wrong method": [get(path="/v1/plain")],
    "method without a rule": [request(method="DELETE", body=b"")],
    "unknown path": [request("/v1/nowhere")],
    "own path": [get(path="/livez")],
    "old version": [request(version="1.0")],
    "expect": [request("/v1/plain", "Expect: 100-continue")],
    "key": [request("/v1/plain", "Idempotency-Key: k"), request("/v1/plain", "Idempotency-Key: k")],
    "to be upgraded": [get("Connection: upgrade", "Upgrade: x")],
    "wrong head": [request() + b"NONSENSE\r\n\r\n"],
}  # fmt: skip
OWN = re.compile(
    r"(?P<name>x-request-id: |traceparent: 00-|gateway;dur=|date: |x-request-timeout-ms: )"
    r"(?:[0-9a-f]{32}(?:-[0-9a-f]{16}(?=-00))?|[\d.]+|\w{3}, .{20} GMT)"
)
IN_BODY = re.compile(r'"request_id": ?"[0-9a-f]{32}"')


def same(text):
    """A text without what differs from one time to the next."""
    return IN_BODY.sub('"request_id"', OWN.sub(r"\g<name>", text))


class Lines(logging.Handler):
    """The access lines, each with its request id."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def emit(self, record):
        shown = re.sub(r"[\d.]+ ms", "ms", record.getMessage())
        self.seen.append(f"{re.sub('[0-9a-f]{32}', '', request_id_var.get())} {shown}")


@pytest.fixture
def lines():
    handler, logger = Lines(), logging.getLogger("gateway.data_plane")
    logger.addHandler(handler)
    logger.setLevel("INFO")
    yield handler.seen
    logger.removeHandler(handler)


@pytest.fixture
async def service():
    service = Scripted()
    listener = await asyncio.start_server(service, "127.0.0.1", 0)
    service.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener:
        yield service


@pytest.fixture
def over(service, gateway_over, until, tmp_path):
    """A gateway before the service: (gateway, port)."""

    @asynccontextmanager
    async def run(**settings):
        options = {"upstreams": {"work": service.url}, "hold_s": 0.0, **settings}
        options.setdefault("state_dir", tmp_path)
        async with gateway_over(**options) as (gateway, client, _):
            yield gateway, client.base_url.port

    return run


async def told(reader):
    """One answer, as far as it comes."""
    shown = b""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        while head.startswith(b"HTTP/1.1 1"):
            shown, head = shown + head, await reader.readuntil(b"\r\n\r\n")
        shown += head
        length = re.search(rb"content-length: (\d+)", shown)
        if b"transfer-encoding: chunked" in shown:
            shown += await reader.readuntil(b"0\r\n\r\n")
        elif length is not None:
            shown += await reader.readexactly(int(length[1]))
    except asyncio.IncompleteReadError as error:
        shown += error.partial + b"(cut)"
    return shown.decode("latin-1")


async def talk(port, messages):
    """What is answered to each message on one connection, and whether it is closed then."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    shown = []
    async with asyncio.timeout(PATIENCE_S):
        for message in messages:
            for piece in [message] if isinstance(message, bytes) else message:
                writer.write(piece)
                await asyncio.sleep(0.003 if piece is not message else 0)
            whole = message if isinstance(message, bytes) else b"".join(message)
            for _ in re.findall(rb"HTTP/1.[01]\r\n", whole):
                shown.append(same(await told(reader)))
        if "connection: close" in shown[-1]:
            shown.append((await reader.read()).decode() + "(closed)")
    writer.close()
    return shown


async def found(gateway, port, service, lines, kinds):
    """By kind: what client, service and log see."""
    seen = {}
    for name, messages in kinds.items():
        service.again()
        lines.clear()
        await warm(gateway)
        answers = await talk(port, messages)
        reached = [
            same("\r\n".join(sorted(head))) + body.decode() for head, body in service.requests
        ]
        seen[name] = {"answers": answers, "reached": reached, "lines": list(lines)}
    return seen


def counts(gateway):
    """All counters but that of the ways and those of times."""
    shown = generate_latest(gateway.parts.metrics.registry).decode().splitlines()
    return [
        line
        for line in shown
        if line.startswith("gantry")
        and not re.search("direct|_bucket|_sum|_created|replicas", line)
    ]


async def compare(over, service, lines, kinds):
    """Hold both ways against each other."""
    seen, counted = [], []
    for is_direct in (True, False):
        async with over(direct=is_direct) as (gateway, port):
            seen.append(await found(gateway, port, service, lines, kinds))
            counted.append(counts(gateway))
    for name in kinds:
        assert seen[0][name] == seen[1][name], name
    assert counted[0] == counted[1]


async def test_no_kind_of_request_shows_which_way_it_took(over, service, lines):
    await compare(over, service, lines, KINDS)


async def test_no_head_shows_which_way_it_took(over, service, lines):
    draw = random.Random(1)
    heads = {
        number: [request(draw.choice(["/v1/plain", "/v1/timed"]), *draw.sample(HEADERS, 5))] * 2
        for number in range(40)
    }

    await compare(over, service, lines, heads)


ANSWERED = ["plain", "timed", "pieces", "split_head", "empty", "informed", "not_found", "limited"]
HANDED_OVER = ["chunked", "events", "no_content", "engine_error", "busy", "lost", "cut_once"]


@pytest.mark.parametrize(
    ("names", "end"), [(ANSWERED, "answered"), (HANDED_OVER, "handed_over")], ids=str
)
async def test_plain_requests_take_the_direct_way_as_far_as_it_goes(
    over, service, lines, names, end
):
    async with over() as (gateway, port):
        await found(gateway, port, service, lines, {name: KINDS[name] for name in names})
        shown = generate_latest(gateway.parts.metrics.registry).decode()

    assert f'gantry_direct_requests_total{{end="{end}"}} {len(names)}.0' in shown


async def statuses(port, *messages):
    return [int(shown.split()[1]) for shown in await talk(port, messages) if shown[:4] == "HTTP"]


async def test_request_moves_on_from_a_replica_that_hangs(over, service):
    async with over(probe_interval_s=30) as (gateway, port):
        asking = asyncio.ensure_future(talk(port, [request("/v1/hung")]))
        await service.asked.wait()
        (replica,) = gateway.registry.replicas()
        now = asyncio.get_running_loop().time()
        replica.set_state(ReplicaState.HUNG, "test", now)
        replica.set_state(ReplicaState.READY, None, now)
        (shown,) = await asking

    assert shown.startswith("HTTP/1.1 200")
    assert "x-attempts: 2" in shown


async def test_client_that_leaves_is_forgotten_at_once(over, service):
    async with over() as (gateway, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/v1/silent"))
        await service.asked.wait()
        writer.close()
        async with asyncio.timeout(PATIENCE_S):
            await service.left.wait()
            while gateway.parts.metrics.http.in_flight:  # noqa: ASYNC110 - its last trace
                await asyncio.sleep(0.01)
        shown = counts(gateway)
        (replica,) = gateway.registry.replicas()

    assert 'gantry_client_disconnects_total{service="work"} 1.0' in shown
    assert (replica.in_flight, gateway.parts.admission.state("work")["in_flight"]) == (0, 0)


async def test_known_head_follows_the_routes(over):
    async with over() as (gateway, port):
        table, gateway.registry.table = gateway.registry.table, RoutingTable()
        gone = await statuses(port, request())
        gateway.registry.table = table
        back = await statuses(port, request(), request())
        gateway.registry.table = RoutingTable()

        assert (gone, back, await statuses(port, request())) == ([404], [200, 200], [404])


async def test_known_head_of_a_revoked_key_opens_nothing(over, tmp_path):
    with closing(connect(tmp_path / DATABASE_FILE)) as db:
        key, text = key_store.create(db, NewKey("a", ["infer"]))
        asked = request("/v1/plain", f"Authorization: Bearer {text}")
        async with over() as (gateway, port):
            before = await statuses(port, asked, asked, asked)
            key_store.revoke(db, key.id)
            gateway.parts.authenticator._known.clear()  # as after FRESH_S

            assert (before, await statuses(port, asked)) == ([200, 200, 200], [401])


@pytest.mark.parametrize("is_direct", [True, False])
@pytest.mark.parametrize("name", ["plain", "chunked", "lost_once"])
async def test_each_request_of_a_key_counts_once(over, tmp_path, is_direct, name):
    with closing(connect(tmp_path / DATABASE_FILE)) as db:
        _, text = key_store.create(db, NewKey("a", ["infer"], requests_per_minute=3))
    asked = request(f"/v1/{name}", f"Authorization: Bearer {text}")
    async with over(direct=is_direct) as (_, port):
        shown = await talk(port, [asked] * 4)

    assert [each.split()[1] for each in shown] == ["200", "200", "200", "429"]
    left = [re.search(r"x-ratelimit-remaining-requests: (\d)", each) for each in shown[:3]]
    assert [each[1] for each in left] == ["2", "1", "0"]
