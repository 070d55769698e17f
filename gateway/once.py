"""``Idempotency-Key``: the same request runs once, and all who send it share its answer.

The first request with a key runs as any other, and its answer is remembered as it passes. Whoever
sends the key again waits for that answer, if the body is the same; another body is refused. After
a failure of ours the next one runs. Keys belong to their caller.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.body import RequestBody
from gateway.exchange import Exchange
from gateway.gate import caller_of
from gateway.recorder import Answer
from shared.errors import BadRequest, InvalidInput

KEEP_S = 24 * 3600.0
MAX_TOTAL_BYTES = 256 * 2**20
MAX_ENTRIES = 20_000
NOT_KEPT_STATUSES = frozenset({408, 429})

T = TypeVar("T")
Work = Callable[[], Awaitable[None]]
EntryId = tuple[str, str]  # owner and key


@dataclass
class _Entry:
    began: float
    digest: asyncio.Future[str | None] = field(default_factory=asyncio.Future)
    answer: asyncio.Future[Answer | None] = field(default_factory=asyncio.Future)

    @property
    def size_bytes(self) -> int:
        answer = self.answer.result() if self.answer.done() else None
        return len(answer.content) if answer else 0


class Once:
    """Remembered answers, bounded in number, bytes and age."""

    def __init__(self, *, max_entries: int = MAX_ENTRIES) -> None:
        """Remember nothing yet."""
        self._max_entries = max_entries
        self._entries: OrderedDict[EntryId, _Entry] = OrderedDict()
        self._total_bytes = 0

    async def run(self, key: str, exchange: Exchange, body: RequestBody, work: Work) -> None:
        """Answer a request that carries a key.

        Args:
            key: value of ``Idempotency-Key``.
            exchange: the request.
            body: its body, made with a digest.
            work: answers it in the ordinary way.

        Raises:
            BadRequest: the key is malformed.
            InvalidInput: the key came before with another request.
        """
        if not (1 <= len(key) <= 255 and key.isascii() and key.isprintable()):
            raise BadRequest("Idempotency-Key must be 1 to 255 printable ASCII characters")
        identity = (caller_of(exchange.scope).owner, key)
        self._forget_old()
        while True:
            entry = self._entries.get(identity)
            if entry is None:
                await self._lead(identity, exchange, body, work)
                return
            if await self._follow(entry, exchange, body):
                return

    async def _lead(
        self, identity: EntryId, exchange: Exchange, body: RequestBody, work: Work
    ) -> None:
        entry = self._entries[identity] = _Entry(time.monotonic())
        body.when_read(lambda digest: _resolve(entry.digest, _request_digest(exchange, digest)))
        recorder = exchange.record()
        try:
            await work()
        finally:
            answer = recorder.answer() if entry.digest.done() else None
            if answer is None or not _is_kept(answer):
                answer = None
                self._entries.pop(identity, None)
            else:
                self._total_bytes += len(answer.content)
            _resolve(entry.digest, None)
            _resolve(entry.answer, answer)

    async def _follow(self, entry: _Entry, exchange: Exchange, body: RequestBody) -> bool:
        own = _request_digest(exchange, await body.read_to_end())
        first = await asyncio.shield(entry.digest)
        if first is None:
            return False
        if first != own:
            raise InvalidInput("Idempotency-Key was used before with another request")
        answer = await asyncio.shield(entry.answer)
        if answer is None:
            return False
        await exchange.replay(answer)
        return True

    def _forget_old(self) -> None:
        oldest = time.monotonic() - KEEP_S
        too_many = len(self._entries) - self._max_entries
        gone: list[EntryId] = []
        for identity, entry in self._entries.items():
            is_too_much = len(gone) < too_many or self._total_bytes > MAX_TOTAL_BYTES
            if entry.began > oldest and not is_too_much:
                break
            if entry.answer.done():  # what still runs goes when its time has come again
                gone.append(identity)
                self._total_bytes -= entry.size_bytes
        for identity in gone:
            del self._entries[identity]


def _is_kept(answer: Answer) -> bool:
    return answer.status < 500 and answer.status not in NOT_KEPT_STATUSES


def _request_digest(exchange: Exchange, body_digest: str) -> str:
    query = exchange.scope["query_string"].decode("latin-1")
    return f"{exchange.scope['method']} {exchange.path}?{query} {body_digest}"


def _resolve(future: "asyncio.Future[T | None]", value: T | None) -> None:
    if not future.done():
        future.set_result(value)
