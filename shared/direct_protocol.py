"""A connection whose small requests are answered without the application, where that can be done.

A request whose body came whole with its headers is offered to the application's ``direct``;
everything else is handed on as ASGI, unchanged: bodies in pieces, pipelined requests, clients that
read slowly, and whatever is declined. What this adds happens within one ``data_received``: a
request is held back until its body is whole, and handed on at the end of the call if it is not.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

from uvicorn.config import Config
from uvicorn.server import ServerState

from shared.http import header_lines
from shared.server_exchange import ServerExchange
from shared.server_protocol import Answering, ServerProtocol

Header = tuple[bytes, bytes]
_NO_HEADERS: list[Header] = []


@dataclass(frozen=True, slots=True)
class WholeRequest:
    """A request that has come whole."""

    method: bytes
    url: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes


class CommonLines:
    """Header lines that each response carries."""

    def __init__(self, fixed: Sequence[Header] = ()) -> None:
        """Render ``fixed`` with those that the server adds."""
        self._fixed = fixed
        self._rendered, self._rendered_of = b"", _NO_HEADERS

    def __call__(self, server_state: ServerState) -> bytes:
        """The lines at present; the server makes a new list of its headers each second."""
        headers = server_state.default_headers
        if headers is not self._rendered_of:
            self._rendered, self._rendered_of = header_lines([*headers, *self._fixed]), headers
        return self._rendered


class Direct(Protocol):
    """Answers requests by itself; an application that has one offers it as ``direct``."""

    def takes(self, method: bytes, url: bytes) -> bool:
        """Whether a request with this method and target is worth holding back."""
        ...

    def start(self, protocol: "DirectProtocol", body: bytes, seen: bytes) -> bool:
        """Begin to answer the request that the protocol has parsed.

        Args:
            protocol: the connection; it is told by ``take`` that the request is being answered.
            body: all of it.
            seen: what the network brought, if it begins with the head; else empty.

        Returns:
            False when the application must answer; nothing is left of the beginning then.
        """
        ...

    def start_again(self, protocol: "DirectProtocol", seen: bytes) -> bool:
        """As ``start``, if ``seen`` is a whole request whose head is known byte for byte."""
        ...


class DirectProtocol(ServerProtocol):
    """A connection that offers requests to the application's ``direct`` first."""

    writes_at_once = True
    """Each answer leaves at once, so that its client works while others are answered; without it
    those of one turn of the loop leave together, which costs less."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Speak for one connection."""
        super().__init__(config, server_state, app_state, _loop)
        self.keep_alive = True  # of the request being held
        self._direct: Direct = config.app.direct  # type: ignore[union-attr] # see serve
        self._is_holding = False
        self._held_body: list[bytes] = []
        self._seen = b""  # what the network brought, if a request begins with it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        super().connection_made(transport)
        if self.writes_at_once:
            # uvloop keeps what is below the limit until all that is due now has run.
            self.transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless a known head says it all."""
        if self.is_idle and self._direct.start_again(self, data):
            return
        self._seen = data if self.is_idle else b""
        super().data_received(data)
        if self._is_holding and not self.transport.is_closing():
            self._hand_on(is_whole=False)

    def _open(self) -> None:
        """Hold a request that may be answered directly."""
        if not self._is_plain() or not self._direct.takes(self._parser.get_method(), self.url):
            super()._open()
            return
        self._is_holding, self._held_body = True, []
        self.keep_alive = self._parser.should_keep_alive()

    def _is_plain(self) -> bool:
        """Whether nothing about the request asks for more than to be answered."""
        parser = self._parser
        return (
            self._answering is None
            and parser.get_http_version() == "1.1"
            and not parser.should_upgrade()
            and self.may_write is None
        )

    def on_body(self, body: bytes) -> None:
        """Keep a part of a held body."""
        if self._is_holding:
            self._held_body.append(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Answer a held request, or hand it on."""
        if not self._is_holding:
            super().on_message_complete()
        elif self._direct.start(self, b"".join(self._held_body), self._seen):
            self._is_holding = False
        else:
            self._hand_on(is_whole=True)

    @property
    def method(self) -> bytes:
        """Method of the request being read."""
        return self._parser.get_method()

    def take(self, call: Answering | None) -> None:
        """Let a call stand for the request being answered; None if it is declined after all."""
        self._answering, self._closes_at = call, inf

    def respond(self, call: Answering, response: bytes) -> None:
        """Write a whole response to a call that was taken."""
        if not self.transport.is_closing():
            self.transport.write(response)
        self.answered(call)

    def hand_over(self, call: Answering, request: WholeRequest, state: dict[str, Any]) -> None:
        """Have the application answer what a call was taken for.

        Args:
            call: stands for the request until now.
            request: all of it.
            state: what the application finds in the ``state`` of its scope.
        """
        scope = self._scope("1.1", request.method, request.url, request.headers)
        scope["state"].update(state)
        exchange = ServerExchange(self, scope, keep_alive=call.keep_alive)
        if request.body:
            exchange.take(request.body)
        exchange.end_of_body()
        self._begin(exchange)

    def _hand_on(self, *, is_whole: bool) -> None:
        """Have the application answer what was held."""
        self._is_holding = False
        super()._open()
        for piece in self._held_body:
            super().on_body(piece)
        if is_whole:
            super().on_message_complete()
