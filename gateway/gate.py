"""The gate before both planes: lets a request in with the caller it comes from, or refuses it."""

from collections.abc import Awaitable, Callable

from gateway.auth import Authenticator, Caller, KeyNeeded
from gateway.routing_table import WrongMethod
from shared.errors import GantryError
from shared.http import Message, Receive, Scope, Send, request_id_of, send_problem

Inner = Callable[[Scope, Receive, Send], Awaitable[None]]


class AdminGate:
    """ASGI middleware of the admin listener: every request needs the scope ``admin``."""

    def __init__(self, app: Inner, authenticator: Authenticator) -> None:
        """Guard ``app``."""
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            try:
                await self._authenticator.identify(scope, "admin")
            except GantryError as error:
                await refuse(error, scope, send)
                return
        await self._app(scope, receive, send)


async def refuse(error: GantryError, scope: Scope, send: Send) -> None:
    """Answer an error before any plane has seen the request."""
    request_id = request_id_of(scope)
    extra = [(b"x-request-id", request_id.encode())]
    if isinstance(error, WrongMethod):
        extra.append((b"allow", error.allowed.encode()))
    if isinstance(error, KeyNeeded):
        extra.append((b"www-authenticate", b'Bearer realm="gantry"'))

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *extra]}
        await send(message)

    await send_problem(send_with_headers, error, request_id=request_id, instance=scope["path"])


def caller_of(scope: Scope) -> Caller:
    """The caller that the gate found."""
    caller: Caller = scope["state"]["caller"]
    return caller


def remember(scope: Scope, caller: Caller) -> None:
    """Attach the caller to the request."""
    scope.setdefault("state", {})["caller"] = caller
