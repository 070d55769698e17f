"""What services and gateway say in plain ASGI: types, headers, request ids, JSON, problems."""

import json
import os
import re
import urllib.parse
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any

from shared.errors import BadRequest, GantryError, problem, retry_headers

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

WHEN_GONE = "gantry.when_gone"
"""Extension of a scope: takes a function that is called when the client leaves before the end of
its answer. To wait for that with ``receive`` would take a task."""
PROBLEM_TYPE = "application/problem+json"
REQUEST_ID_PATTERN = re.compile(r"^[A-Za-z0-9._-]{1,128}$")
CALLER_PATTERN = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
_PLAIN_IN_HEADERS = " !\"#$&'()*+,/:;<=>?@[]^`{|}~"
MAX_TIMEOUT_MS = 86_400_000  # one day


def header(scope: Scope, name: bytes) -> str | None:
    """First value of a request header (name in lower case), or None."""
    value = header_bytes(scope, name)
    return None if value is None else value.decode("latin-1")


def header_bytes(scope: Scope, name: bytes) -> bytes | None:
    """First value of a request header as it came, or None."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return None


def request_id_of(scope: Scope) -> str:
    """The client's ``X-Request-Id`` if it is well-formed, else a new one."""
    return request_id_from(header_bytes(scope, b"x-request-id"))


def request_id_from(given: bytes | None) -> str:
    """The value of ``X-Request-Id`` if it is well-formed, else a new id."""
    if given is None:
        return new_id()
    shown = given.decode("latin-1")
    return shown if REQUEST_ID_PATTERN.fullmatch(shown) else new_id()


def new_id() -> str:
    """A random id: 32 hexadecimal digits."""
    return next(_new_ids)


def _random_ids(per_read: int = 256) -> Iterator[str]:
    """Random 128-bit ids as hex; the system is asked for many at a time."""
    while True:
        digits = os.urandom(16 * per_read).hex()
        for start in range(0, len(digits), 32):
            yield digits[start : start + 32]


_new_ids = _random_ids()


def caller_named_by(scope: Scope) -> str | None:
    """Whose request it is, as ``X-Caller`` says; None without it.

    The gateway sets the header for each request; who reaches a service past it is trusted.

    Raises:
        BadRequest: the header is not 1 to 64 letters, digits, ``-`` or ``_``.
    """
    given = header(scope, b"x-caller")
    if given is not None and not CALLER_PATTERN.match(given):
        raise BadRequest("X-Caller must be 1 to 64 letters, digits, hyphens or underscores")
    return given


def timeout_ms_of(scope: Scope, default_ms: int) -> int:
    """Time that the request may take, in ms, from ``X-Request-Timeout-Ms`` or the default.

    Raises:
        BadRequest: the header is not a whole number from 1 to one day.
    """
    return timeout_ms_from(header_bytes(scope, b"x-request-timeout-ms"), default_ms)


def timeout_ms_from(given: bytes | None, default_ms: int) -> int:
    """The value of ``X-Request-Timeout-Ms``, or the default; as ``timeout_ms_of``."""
    if given is None:
        return default_ms
    if not given.isdigit() or len(given) > 12 or not 1 <= int(given) <= MAX_TIMEOUT_MS:
        raise BadRequest(f"X-Request-Timeout-Ms must be a whole number from 1 to {MAX_TIMEOUT_MS}")
    return int(given)


def header_text(text: str) -> str:
    """A text as a header's value: what is not printable ASCII is percent-encoded, as UTF-8."""
    if text.isascii() and text.isprintable():
        return text
    return urllib.parse.quote(text, safe=_PLAIN_IN_HEADERS)


def encode_headers(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers in the form ASGI wants."""
    return [
        (key.lower().encode("latin-1"), value.encode("latin-1")) for key, value in headers.items()
    ]


def header_lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Headers as HTTP/1.1 has them on the wire."""
    return b"".join([b"%b: %b\r\n" % pair for pair in headers])


def encode_json(body: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """A JSON body."""
    return json.dumps(body, ensure_ascii=False).encode()


async def send_json(
    send: Send,
    status: int,
    body: Any,  # noqa: ANN401 - any JSON value
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> None:
    """Send a whole JSON response."""
    content = encode_json(body)
    lines = {"content-type": content_type, "content-length": str(len(content)), **(headers or {})}
    await send({"type": "http.response.start", "status": status, "headers": encode_headers(lines)})
    await send({"type": "http.response.body", "body": content})


async def send_problem(send: Send, error: GantryError, *, request_id: str, instance: str) -> None:
    """Send an error in the one shape that all processes use."""
    body = problem(error, request_id=request_id, instance=instance)
    await send_json(send, error.status, body, retry_headers(error), PROBLEM_TYPE)
