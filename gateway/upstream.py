"""How the data plane talks to a replica: a small protocol, so that the HTTP client can change."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.errors import UpstreamBroken

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True)
class UpstreamRequest:
    """One attempt at a request."""

    method: str
    origin: str  # scheme, host and port of the replica
    target: bytes  # path and query, as they came
    headers: Headers  # end-to-end headers only, without those that frame the body
    body: bytes | AsyncIterator[bytes] | None = None
    length_bytes: int | None = None  # of a body in pieces, where it is known
    own_lines: bytes = b""  # more headers, as on the wire


class NotConnected(UpstreamBroken):
    """No connection could be made: the replica has seen nothing of the request."""


class ConnectionLost(UpstreamBroken):
    """The connection broke after the request, or a part of it, was sent."""


class UpstreamResponse(Protocol):
    """A response whose head has arrived and whose body is still on its way."""

    @property
    def status(self) -> int:
        """HTTP status."""

    @property
    def headers(self) -> Headers:
        """Headers as received, names in lower case."""

    def whole(self) -> bytes | None:
        """The body, if all of it has come already."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The body in the pieces in which the network delivers it.

        Raises:
            ConnectionLost: it ended before it was complete.
        """

    def abort(self) -> None:
        """Give the response up; closes the connection unless the body was read to its end."""


class UpstreamClient(Protocol):
    """Sends requests to replicas. Cancelling ``send`` closes the connection it used."""

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Send a request and wait for the head of its response.

        Raises:
            NotConnected: nothing was sent.
            ConnectionLost: the connection broke before the head arrived.
        """

    async def close(self) -> None:
        """Close all connections."""
