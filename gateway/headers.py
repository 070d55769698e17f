"""Which headers travel between client, gateway and service, and which end at the gateway."""

from collections.abc import Iterable

from gateway.auth import Caller

HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"transfer-encoding upgrade".split()
)
"""Headers that concern one connection only (RFC 9110, section 7.6.1)."""

REPLACED_IN_REQUEST = HOP_BY_HOP | frozenset(
    # The caller's credentials are for the gateway; a service never sees them.
    b"host expect authorization x-api-key x-internal-token x-request-id "
    b"x-request-timeout-ms x-caller x-hops".split()
)
REPLACED_IN_RESPONSE = HOP_BY_HOP | frozenset(
    b"x-request-id server-timing date server x-attempts".split()
)

RawHeaders = Iterable[tuple[bytes, bytes]]


def named_by_connection(headers: RawHeaders) -> frozenset[bytes]:
    """Names that the ``Connection`` header marks as hop-by-hop, in lower case."""
    return frozenset(
        name.strip().lower()
        for key, value in headers
        if key == b"connection"
        for name in value.split(b",")
    )


def request_headers(
    headers: RawHeaders, *, request_id: str, timeout_ms: int, caller: Caller, token: str | None
) -> list[tuple[str, str]]:
    """Headers of the request to a service.

    Args:
        headers: the client's, names in lower case.
        request_id: travels on unchanged.
        timeout_ms: what is left of the request's time.
        caller: whose request it is; the service passes this on where it calls another.
        token: what the services ask for, if they do.
    """
    dropped = REPLACED_IN_REQUEST | named_by_connection(headers)
    kept = [
        (key.decode("latin-1"), value.decode("latin-1"))
        for key, value in headers
        if key not in dropped
    ]
    kept.append(("x-request-id", request_id))
    kept.append(("x-request-timeout-ms", str(max(1, timeout_ms))))
    kept.append(("x-caller", caller.owner))
    kept.append(("x-hops", str(caller.hops + 1)))
    if token is not None:
        kept.append(("x-internal-token", token))
    return kept


def response_headers(headers: RawHeaders) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers of a service's response that go on to the client.

    Args:
        headers: the service's, names in lower case.

    Returns:
        The headers, and the value of ``Server-Timing``, which the gateway completes.
    """
    dropped = REPLACED_IN_RESPONSE | named_by_connection(headers)
    kept = [(key, value) for key, value in headers if key not in dropped]
    timing = b", ".join(value for key, value in headers if key == b"server-timing")
    return kept, timing
