"""Which headers travel between client, gateway and service, and which end at the gateway."""

import re
from collections.abc import Iterable

from gateway.auth import Caller
from shared.http import new_id

HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"transfer-encoding upgrade".split()
)
"""Headers that concern one connection only (RFC 9110, section 7.6.1)."""

REPLACED_IN_REQUEST = HOP_BY_HOP | frozenset(
    # The caller's credentials are for the gateway; a service never sees them.
    b"host expect authorization x-api-key x-internal-token x-request-id "
    b"x-request-timeout-ms x-caller x-hops content-length".split()
)
REPLACED_IN_RESPONSE = HOP_BY_HOP | frozenset(
    b"x-request-id server-timing date server x-attempts".split()
)
USUAL_CONNECTION = frozenset({b"", b"keep-alive", b"close", b"Keep-Alive"})
"""Values of ``Connection`` that name no other header."""

TRACE = b"traceparent"
TRACE_ID = re.compile(r"^(?!0{32})[0-9a-f]{32}$")

RawHeaders = Iterable[tuple[bytes, bytes]]


def named_by_connection(headers: RawHeaders) -> frozenset[bytes]:
    """Names that the ``Connection`` header marks as hop-by-hop, in lower case."""
    return frozenset(
        name.strip().lower()
        for key, value in headers
        if key == b"connection"
        for name in value.split(b",")
    )


def request_headers(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    """Those of the client's headers that go on to a service; names in lower case."""
    kept, connection = [], b""
    for pair in headers:
        if pair[0] not in REPLACED_IN_REQUEST:
            kept.append(pair)
        elif pair[0] == b"connection":
            connection += pair[1]
    if connection not in USUAL_CONNECTION:
        named = named_by_connection(headers)
        kept = [pair for pair in kept if pair[0] not in named]
    return kept


def own_lines(
    request_id: str, *, timeout_ms: int, caller: Caller, token: str | None, has_trace: bool
) -> bytes:
    """What the gateway itself tells a service of a request, as header lines.

    Args:
        request_id: travels on unchanged.
        timeout_ms: what is left of the request's time.
        caller: whose request it is; the service passes this on where it calls another.
        token: what the services ask for, if they do.
        has_trace: whether the client tells the trace that the request belongs to.
    """
    lines = (
        f"x-request-id: {request_id}\r\nx-request-timeout-ms: {max(timeout_ms, 1)}\r\n"
        f"x-caller: {caller.owner}\r\nx-hops: {caller.hops + 1}\r\n"
    )
    if not has_trace:
        # The start of a trace, not sampled (W3C Trace Context); its id is the request's if it can.
        trace = request_id if TRACE_ID.match(request_id) else new_id()
        lines += f"traceparent: 00-{trace}-{new_id()[:16]}-00\r\n"
    if token is not None:
        lines += f"x-internal-token: {token}\r\n"
    return lines.encode()


def response_headers(headers: RawHeaders) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers of a service's response that go on to the client.

    Args:
        headers: the service's, names in lower case.

    Returns:
        The headers, and the value of ``Server-Timing``, which the gateway completes.
    """
    kept, timing, connection = [], b"", b""
    for pair in headers:
        key = pair[0]
        if key not in REPLACED_IN_RESPONSE:
            kept.append(pair)
        elif key == b"server-timing":
            timing = timing + b", " + pair[1] if timing else pair[1]
        elif key == b"connection":
            connection += pair[1]
    if connection not in USUAL_CONNECTION:
        named = named_by_connection(headers)
        kept = [pair for pair in kept if pair[0] not in named]
    return kept, timing


def own_of_response(
    request_id: str, *, attempts: int, overhead_s: float, timing: bytes
) -> list[tuple[bytes, bytes]]:
    """What the gateway tells a client with each answer.

    Args:
        request_id: of the request.
        attempts: at it.
        overhead_s: time until now that was the gateway's own.
        timing: value of the service's ``Server-Timing``, or empty.
    """
    own = b"gateway;dur=%.3f" % (overhead_s * 1000)
    return [
        (b"x-request-id", request_id.encode()),
        (b"x-attempts", b"%d" % attempts),
        (b"server-timing", own + b", " + timing if timing else own),
    ]
