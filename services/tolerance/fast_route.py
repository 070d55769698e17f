"""Predictions on a raw ASGI route: msgspec decodes and encodes, no framework in between.

The model answers in a fifth of a millisecond, so the framework's own validation and JSON would be
most of a request. A body that this decoder does not take is handed on, unchanged, to the
documented route, whose words about what is wrong are then the only ones.
"""

from typing import Any

import msgspec
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Message, Receive, Scope, Send

from services.tolerance.answering import PredictAnswer, ToleranceService, answer_request
from services.tolerance.parts import PredictRequest
from shared.http import header

_DECLINED = "tolerance.fast_route_declined"
_decoder = msgspec.json.Decoder(PredictRequest)
_encoder = msgspec.json.Encoder()


def fast_route(path: str, service: ToleranceService) -> BaseRoute:
    """Build the route; it must stand before the documented one of the same path."""
    return _UnlessDeclined(path, _FastPredict(service), methods=["POST"], include_in_schema=False)


def decode_request(body: bytes) -> PredictRequest:
    """Decode a JSON body.

    Raises:
        msgspec.DecodeError: not JSON, or not of the request's shape.
    """
    return _decoder.decode(body)


def encode_answer(answer: PredictAnswer) -> bytes:
    """Encode an answer as JSON."""
    return _encoder.encode(answer)


class _UnlessDeclined(Route):
    """Matches a request once; a declined one goes on to the next route of the path."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if _DECLINED in scope:
            return Match.NONE, {}
        return super().matches(scope)


class _FastPredict:
    """ASGI application of one path."""

    def __init__(self, service: ToleranceService) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read_body(receive)
        if body is None:
            return  # the client left
        try:
            request = decode_request(body if _is_json(scope) else b"")
        except msgspec.DecodeError:  # also the base of its ValidationError
            await self._decline(scope, receive, send, body)
            return
        content = encode_answer(await answer_request(self._service, request))
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _decline(self, scope: Scope, receive: Receive, send: Send, body: bytes) -> None:
        unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return unread.pop() if unread else await receive()

        await _dispatch_again({**scope, _DECLINED: True}, replay, send)


def _is_json(scope: Scope) -> bool:
    media_type = (header(scope, b"content-type") or "").partition(";")[0]
    return media_type.strip().lower() == "application/json"


async def _dispatch_again(scope: Scope, receive: Receive, send: Send) -> None:
    router: Any = scope["app"].router  # Starlette sets the running application
    await router(scope, receive, send)


async def _read_body(receive: Receive) -> bytes | None:
    pieces = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)
