"""Predictions without a framework: msgspec decodes and encodes, ASGI is all that lies in between.

The model answers in a fifth of a millisecond, so the framework's own validation and JSON would be
most of a request. A body that this decoder does not take is handed on, unchanged, to the
documented route, whose words about what is wrong are then the only ones.
"""

import msgspec

from services.tolerance.answering import PredictAnswer, ToleranceService, answer_request
from services.tolerance.parts import PredictRequest
from shared.http import AsgiApp, Message, Receive, Scope, Send, header

_decoder = msgspec.json.Decoder(PredictRequest)
_encoder = msgspec.json.Encoder()


def decode_request(body: bytes) -> PredictRequest:
    """Decode a JSON body.

    Raises:
        msgspec.DecodeError: not JSON, or not of the request's shape.
    """
    return _decoder.decode(body)


def encode_answer(answer: PredictAnswer) -> bytes:
    """Encode an answer as JSON."""
    return _encoder.encode(answer)


class FastPredict:
    """ASGI middleware of the predict path."""

    def __init__(self, service: ToleranceService, documented: AsgiApp) -> None:
        """Answer what can be answered here.

        Args:
            service: what predictions are made with.
            documented: the application that answers all else.
        """
        self._service, self._documented = service, documented

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] != "POST" or not _is_json(scope):
            await self._documented(scope, receive, send)
            return
        body = await _read_body(receive)
        if body is None:
            return  # the client left
        try:
            request = decode_request(body)
        except msgspec.DecodeError:  # also the base of its ValidationError
            await self._documented(scope, _replayed(body, receive), send)
            return
        content = encode_answer(await answer_request(self._service, request))
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


def _replayed(body: bytes, receive: Receive) -> Receive:
    unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return unread.pop() if unread else await receive()

    return replay


def _is_json(scope: Scope) -> bool:
    media_type = (header(scope, b"content-type") or "").partition(";")[0]
    return media_type.strip().lower() == "application/json"


async def _read_body(receive: Receive) -> bytes | None:
    pieces = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)
