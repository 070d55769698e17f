"""Results in a Redis server, shared by all replicas of a service: a level below memory.

What is stored is sealed by ``ResultCache``, so a server that others can write to can lose results
but not change them. A server that does not answer is a miss: it is asked again after a pause, and
the log says once that it went and once that it came back.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.cache import Found

log = logging.getLogger(__name__)

TIMEOUT_S = 0.25
"""Longest wait for the server; a result that takes longer is cheaper to compute for most."""
PAUSE_S = 5.0
"""Time for which a server that failed is not asked."""


class RedisLevel:
    """Sealed results under ``<prefix>:<key>``, each with an expiry; the server bounds the bytes."""

    found = Found.REDIS

    def __init__(
        self,
        url: str,
        *,
        prefix: str,
        max_age_s: float,
        max_entry_bytes: int = 16 * 2**20,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is sent before the first look-up.

        Args:
            url: ``redis://``, ``rediss://`` (TLS) or ``unix://``, with user and password if needed.
            prefix: keeps services that share a server apart.
            max_age_s: time after which the server forgets a result, in s.
            max_entry_bytes: larger results are not stored.
            clock: monotonic time in s.

        Raises:
            ValueError: the URL has another form.
        """
        self._server: Any = redis.Redis.from_url(
            url,
            protocol=2,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            max_connections=32,
        )
        self._prefix, self._max_age_ms = prefix, max(1, round(max_age_s * 1000))
        self._max_entry_bytes, self._clock = max_entry_bytes, clock
        self._asked_again_at = -1e9
        self._is_down = False

    def get(self, key: str) -> bytes | None:
        """The sealed bytes under ``key``; None when there are none, or no server."""
        found = self._ask(lambda: self._server.get(self._name(key)))
        return found if isinstance(found, bytes) else None

    def put(self, key: str, sealed: bytes) -> None:
        """Store sealed bytes, if the server can be reached."""
        if len(sealed) <= self._max_entry_bytes:
            self._ask(lambda: self._server.set(self._name(key), sealed, px=self._max_age_ms))

    def _name(self, key: str) -> str:
        return f"{self._prefix}:{key}"

    def _ask(self, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - as the client types it
        if self._clock() < self._asked_again_at:
            return None
        try:
            answer = call()
        except redis.RedisError as error:
            self._asked_again_at = self._clock() + PAUSE_S
            if not self._is_down:
                log.warning("the cache goes on without Redis: %s", type(error).__name__)
            self._is_down = True
            return None
        if self._is_down:
            log.info("Redis answers again")
        self._is_down = False
        return answer
