"""Remembers an answer while it passes to the client."""

from dataclasses import dataclass

from gateway.upstream import Headers
from shared.http import Message, Send

MAX_ANSWER_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Headers
    content: bytes


class Recorder:
    """ASGI ``send`` that passes everything on and keeps a copy, unless it gets too large."""

    def __init__(self, send: Send) -> None:
        """Pass on to ``send``."""
        self._send = send
        self._status = 0
        self._headers: Headers = ()
        self._content = bytearray()
        self._is_complete = False
        self._is_too_large = False

    async def __call__(self, message: Message) -> None:
        """Take one ASGI message."""
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], list(message["headers"])
        else:
            self._is_complete = not message.get("more_body", False)
            if len(self._content) + len(message.get("body", b"")) > MAX_ANSWER_BYTES:
                self._is_too_large = True
                self._content.clear()
            if not self._is_too_large:
                self._content += message.get("body", b"")
        await self._send(message)

    def answer(self) -> Answer | None:
        """The answer; None if it was broken off or was too large to keep."""
        if not self._is_complete or self._is_too_large:
            return None
        return Answer(self._status, self._headers, bytes(self._content))
