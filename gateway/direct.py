"""The direct way: a plain request goes to a replica and its answer back without a task of its own.

An ASGI request costs a task, timers, futures and a dozen dictionaries, several times what two
sockets cost. Here a request that came whole goes to an idle connection of a replica at once, and
the answer, when it has come whole, back to the client. That is the only case which is treated here.
Whatever is not known or not free at this moment is declined, before anything was taken; whatever
happens after the request was sent (a long or broken answer, a fault of the service, a replica that
hangs, the deadline) is handed over to the data plane with all that was taken. So each rule has one
place, and an answer does not show which way it took.
"""

import time
from dataclasses import dataclass

from gateway.admission import Priority
from gateway.attempts import PIN, Attempts, is_short
from gateway.auth import Credentials, credentials_of
from gateway.begun import Begun
from gateway.data_plane import PRIORITY, DataPlane, priority_from
from gateway.headers import (
    TRACE,
    own_lines,
    own_of_response,
    request_headers,
    response_headers,
)
from gateway.http1_client import METHODS_WITH_BODY, Http1Client, host_line, length_line
from gateway.http1_connection import Http1Connection, Http1Response
from gateway.outcome import Outcome
from gateway.parts import Parts
from gateway.quotas import Header
from gateway.routing_table import Route, RoutingTable, scope_of
from gateway.selection import Selector
from shared.deadlines import Deadlines
from shared.direct_protocol import CommonLines, DirectProtocol, WholeRequest
from shared.errors import ClientGone, GantryError, QuotaExceeded
from shared.http import (
    Scope,
    header,
    header_bytes,
    header_lines,
    new_id,
    request_id_from,
    timeout_ms_of,
)
from shared.known_heads import KnownHeads
from shared.server_exchange import BODILESS, status_line
from shared.server_protocol import split_target

UNUSUAL = frozenset((b"expect", b"idempotency-key", b"prefer"))
"""Headers that ask for more than an answer."""
OUR_FAULTS = 500  # statuses from here on are for the data plane to judge
METHODS = frozenset((b"GET", *(method.encode() for method in METHODS_WITH_BODY)))


class DirectConnection(DirectProtocol):
    """A client's connection; streams go over it, too, which keep their usual buffer."""

    writes_at_once = False


@dataclass(frozen=True, slots=True)
class _Head:
    """What the head of a request says."""

    method: bytes
    url: bytes
    headers: list[Header]
    keep_alive: bool
    credentials: Credentials
    table: RoutingTable  # from which the route is
    route: Route
    needed: str  # scope of the caller's key
    timeout_ms: int
    timeout_s: float
    priority: Priority
    pin: str | None
    has_trace: bool
    start: bytes  # request line for the service
    lines: bytes  # header lines that go on to it, with the one that frames the body


class DirectWay:
    """Takes plain requests; satisfies ``shared.direct_protocol.Direct``."""

    def __init__(
        self,
        parts: Parts,
        data_plane: DataPlane,
        attempts: Attempts,
        selector: Selector,
        client: Http1Client,
    ) -> None:
        """Go by the same parts as the data plane."""
        self.parts = parts
        self.data_plane = data_plane
        direct = parts.metrics.direct
        self.answered, self.handed_over, self.left = (
            direct.labels(end) for end in ("answered", "handed_over", "left")
        )
        self.attempts = attempts
        self.deadlines: Deadlines[DirectRequest] = Deadlines()
        self._selector = selector
        self._client = client
        self.common_lines = CommonLines()
        self._known: KnownHeads[_Head] = KnownHeads()

    def takes(self, method: bytes, url: bytes) -> bool:
        """Whether a request is worth a closer look."""
        return method in METHODS and url[:1] == b"/" and b"#" not in url

    def start(self, protocol: DirectProtocol, body: bytes, seen: bytes) -> bool:
        """Send a request on; False when the data plane must answer it."""
        head = self._understand(protocol, len(body))
        if head is None or len(body) > head.route.offer.max_body_bytes:
            return False
        given = header_bytes(head.credentials.scope, b"x-request-id")
        if given is None and not head.has_trace:  # else it will not come again
            self._known.learn(seen, len(body), head)
        return self._begin(protocol, head, body, request_id_from(given))

    def start_again(self, protocol: DirectProtocol, seen: bytes) -> bool:
        """As ``start``, if ``seen`` is a whole request whose head is known byte for byte."""
        found = self._known.find(seen)
        if found is None or found[0].table is not self.parts.registry.table:
            return False
        return self._begin(protocol, *found, new_id())

    def _understand(self, protocol: DirectProtocol, body_bytes: int) -> _Head | None:
        """What a head says; None if it is wrong or unusual."""
        headers, url = protocol.headers, protocol.url
        if any(name in UNUSUAL for name, _ in headers):
            return None
        scope: Scope = {"headers": headers}
        table = self.parts.registry.table
        method = protocol.method.decode("ascii")
        path, raw_path, query = split_target(url)
        try:
            route = table.find(path, method)
            if route is None:
                return None
            timeout_ms = timeout_ms_of(scope, route.offer.default_deadline_ms)
            priority = priority_from(header(scope, PRIORITY))
        except GantryError:
            return None
        target = b"%b?%b" % (raw_path, query) if query else raw_path
        start, kept = b"%b %b HTTP/1.1\r\n" % (protocol.method, target), request_headers(headers)
        lines = header_lines(kept)
        if not (start + lines).count(b"\n") == (start + lines).count(b"\r") == 1 + len(kept):
            return None  # a line break in a header
        return _Head(
            method=protocol.method,
            url=url,
            headers=headers,
            keep_alive=protocol.keep_alive,
            credentials=credentials_of(scope),
            table=table,
            route=route,
            needed=scope_of(route),
            timeout_ms=timeout_ms,
            timeout_s=timeout_ms / 1000,
            priority=priority,
            pin=header(scope, PIN),
            has_trace=any(name == TRACE for name, _ in kept),
            start=start,
            lines=lines + length_line(method, body_bytes),
        )

    def _begin(self, protocol: DirectProtocol, head: _Head, body: bytes, request_id: str) -> bool:
        """Take all that a request needs, if it is there at once, and send it."""
        parts, service = self.parts, head.route.service
        started = time.perf_counter()
        try:
            caller = parts.authenticator.identify_now(head.credentials, head.needed)
        except GantryError:
            return False
        replica = self._selector.select_now(parts.registry.services[service], (), head.pin)
        if caller is None or replica is None:
            return False
        slot = parts.admission.slot(service, head.priority, head.timeout_s)
        if not slot.take_now():
            return False
        connection = self._client.take(replica.url)
        if connection is None:
            slot.leave()
            return False
        try:
            allowance = parts.quotas.use(caller)
        except QuotaExceeded:
            slot.leave()
            self._client.put_back(connection)
            return False
        call = DirectRequest(self, protocol, head, body, connection)
        call.request_id, call.started = request_id, started
        call.caller, call.slot, call.allowance, call.replica = caller, slot, allowance, replica
        call.begin()
        return True

    def request(self, call: "DirectRequest", head: _Head, body: bytes) -> bytes:
        """The request to the replica."""
        own = own_lines(
            call.request_id,
            timeout_ms=head.timeout_ms,
            caller=call.caller,
            token=self.parts.token,
            has_trace=head.has_trace,
        )
        host = host_line(call.replica.url)
        return b"".join((head.start, host, head.lines, own, b"\r\n", body))


class DirectRequest(Begun):
    """A request on the direct way; the protocol's ``Answering`` and the connection's watcher.

    ``DirectWay`` fills in what it took for it.
    """

    __slots__ = (
        "_body", "_head", "_is_over", "_protocol", "_way", "age_s", "attempts", "has_started",
        "keep_alive", "overhead_s", "status",
    )  # fmt: skip

    def __init__(
        self,
        way: DirectWay,
        protocol: DirectProtocol,
        head: _Head,
        body: bytes,
        connection: Http1Connection,
    ) -> None:
        """Open a request with this head and body, to be sent on ``connection``."""
        super().__init__(connection)
        self._way, self._protocol, self._head, self._body = way, protocol, head, body
        self._is_over = False  # handed over, answered or given up
        self.keep_alive = head.keep_alive
        self.has_started = False  # it is answered at once
        self.route = head.route
        self.status, self.attempts, self.overhead_s = ClientGone.status, 1, 0.0
        self.age_s = 0.0  # when it ended

    def begin(self) -> None:
        """Send it to the replica."""
        way, head = self._way, self._head
        way.data_plane.begins()
        way.attempts.expect(self.route.service)
        self.attempt = self.replica.attempt(self._given_up)
        self.deadline = time.monotonic() + head.timeout_s
        self._protocol.take(self)
        way.deadlines.add(self)
        self.sent = time.perf_counter()
        self.connection.begin(way.request(self, head, self._body), self)

    def progressed(self) -> None:
        """Something of the answer has come, or the connection is lost."""
        response = self.response
        if self._is_over:
            return
        if response is None:
            if self.lost is not None:
                self._hand_over()
            return
        self.attempt.is_waiting = False
        if not response.is_complete:
            if response.error is not None or not is_short(response):
                self._hand_over()
            return
        rendered = self._rendered(response) if _is_plain(response) else None
        if rendered is None:
            self._hand_over()
            return
        way = self._way
        self.status = response.status
        self._end(went_well=True)
        way.attempts.note(self.replica, Outcome.OK, has_failed=False)
        self._protocol.respond(self, rendered)
        way.answered.note()
        way.data_plane.ends(self)

    def disconnect(self) -> None:
        """The client is gone."""
        self.connection.abort()
        self._end(went_well=None)
        self._way.left.note()
        self.age_s = time.perf_counter() - self.started
        self._way.data_plane.loses_client(self.route)
        self._way.data_plane.ends(self)

    def expire(self) -> None:
        """Its time is over."""
        self._hand_over()

    def _given_up(self) -> None:
        if not self._is_over:
            self._hand_over()

    def _hand_over(self) -> None:
        """Have the data plane go on from here, with all that is held."""
        self._is_over = True
        self._way.handed_over.note()
        self._way.deadlines.drop(self)
        head = self._head
        request = WholeRequest(head.method, head.url, head.headers, self._body)
        self._protocol.hand_over(self, request, {"begun": self})

    def _end(self, *, went_well: bool | None) -> None:
        """Give back what is held."""
        self._is_over = True
        self._way.deadlines.drop(self)
        self.attempt.end()
        self.slot.went_well = went_well
        self.slot.leave()
        self.allowance.give_back()

    def _rendered(self, response: Http1Response) -> bytes | None:
        """A whole answer as the client gets it; None if it cannot be sent as it is."""
        came = time.perf_counter()
        content = response.whole()
        assert content is not None  # it is complete
        headers, timing = response_headers(response.headers)
        now = time.perf_counter()
        self.age_s, self.overhead_s = now - self.started, self.sent - self.started + now - came
        headers += own_of_response(
            self.request_id, attempts=1, overhead_s=self.overhead_s, timing=timing
        )
        headers += self.allowance.headers
        common = self._way.common_lines(self._protocol.server_state)
        lines = header_lines(headers)
        if not lines.count(b"\n") == lines.count(b"\r") == len(headers):
            return None  # a line break in a header
        end = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        return b"".join((status_line(response.status), common, lines, end, content))


def _is_plain(response: Http1Response) -> bool:
    """Whether a whole answer needs no judgement and no other framing."""
    status = response.status
    return status < OUR_FAULTS and response.has_length and status not in BODILESS
