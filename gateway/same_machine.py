"""Keeps web pages away from a listener that trusts its machine.

A page in the operator's browser can send requests to the loopback, and with a name that it
controls even read the answers (DNS rebinding). Both show: the first in ``Origin``, the second in
``Host``.
"""

from shared.errors import Forbidden
from shared.http import AsgiApp, Receive, Scope, Send, header, request_id_of, send_problem
from shared.settings import is_loopback


class SameMachineOnly:
    """ASGI middleware that refuses what a browser sends on behalf of a page."""

    def __init__(self, app: AsgiApp) -> None:
        """Guard ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and not _is_trusted(scope):
            error = Forbidden("this listener takes no requests from web pages")
            await send_problem(send, error, request_id=request_id_of(scope), instance=scope["path"])
            return
        await self._app(scope, receive, send)


def _is_trusted(scope: Scope) -> bool:
    if header(scope, b"origin") is not None:
        return False
    host = header(scope, b"host") or ""
    name = host[1 : host.index("]")] if host.startswith("[") and "]" in host else host
    return is_loopback(name if ":" in name and host.startswith("[") else name.split(":")[0])
