"""What one key may use: requests per minute and requests at a time.

Over the allowance is 429, which is the caller's own doing; 503 is kept for our load.
"""

import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType

from gateway.auth import Caller
from gateway.key_store import Key
from shared.errors import QuotaExceeded

WINDOW_S = 60.0
SWEEP_ABOVE = 1000  # keys with a state before those at rest are dropped

Header = tuple[bytes, bytes]


@dataclass
class Usage:
    """What one key has used lately."""

    running: int = 0
    recent: deque[float] = field(default_factory=deque)  # times of the last minute's requests

    def forget_before(self, moment: float) -> None:
        """Drop requests that have left the window."""
        while self.recent and self.recent[0] <= moment:
            self.recent.popleft()


class Quotas:
    """Usage of all keys, in memory."""

    def __init__(self) -> None:
        """Start with nothing used."""
        self._usage: dict[str, Usage] = {}

    def use(self, caller: Caller, now: float | None = None) -> "Allowance":
        """Count a request as the caller's from now until the end of a ``with`` block.

        Args:
            caller: whose request it is; services of ours and keys without limits are not counted.
            now: time in s on any steady clock, for tests.

        Returns:
            A context that yields the headers that tell the caller what is left
            (draft-ietf-httpapi-ratelimit-headers).

        Raises:
            QuotaExceeded: an allowance is used up.
        """
        key = caller.key
        if key is None or (key.max_concurrent is None and key.requests_per_minute is None):
            return UNCOUNTED
        moment = time.monotonic() if now is None else now
        return _Counted(self._usage_of(key.id, moment), key, moment)

    def _usage_of(self, key_id: str, now: float) -> Usage:
        if len(self._usage) > SWEEP_ABOVE:
            for known, usage in list(self._usage.items()):
                usage.forget_before(now - WINDOW_S)
                if not usage.running and not usage.recent:
                    del self._usage[known]
        return self._usage.setdefault(key_id, Usage())


class Allowance:
    """A request's share in what its caller may use; this one takes nothing."""

    headers: Sequence[Header] = ()  # tell the caller what is left

    def __enter__(self) -> Sequence[Header]:
        """The headers."""
        return self.headers

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Give back what it takes."""
        self.give_back()

    def give_back(self) -> None:
        """The request has ended."""


UNCOUNTED = Allowance()


class _Counted(Allowance):
    """One request of a key that has limits."""

    def __init__(self, usage: Usage, key: Key, moment: float) -> None:
        self._usage = usage
        usage.forget_before(moment - WINDOW_S)
        if key.max_concurrent is not None and usage.running >= key.max_concurrent:
            raise QuotaExceeded(
                f"the key allows {key.max_concurrent} requests at a time", retry_after_s=1
            )
        if key.requests_per_minute is not None:
            _check_rate(usage, key.requests_per_minute, moment)
            usage.recent.append(moment)
            self.headers = _headers(usage, key.requests_per_minute, moment)
        usage.running += 1

    def give_back(self) -> None:
        self._usage.running -= 1


def _check_rate(usage: Usage, per_minute: int, now: float) -> None:
    if len(usage.recent) >= per_minute:
        raise QuotaExceeded(
            f"the key allows {per_minute} requests a minute",
            retry_after_s=usage.recent[len(usage.recent) - per_minute] + WINDOW_S - now,
        )


def _headers(usage: Usage, per_minute: int, now: float) -> list[Header]:
    left = per_minute - len(usage.recent)
    reset_s = math.ceil(usage.recent[0] + WINDOW_S - now)
    return [
        (b"ratelimit-policy", b'"rpm";q=%d;w=%d' % (per_minute, WINDOW_S)),
        (b"ratelimit", b'"rpm";r=%d;t=%d' % (left, reset_s)),
        (b"x-ratelimit-limit-requests", b"%d" % per_minute),
        (b"x-ratelimit-remaining-requests", b"%d" % left),
        (b"x-ratelimit-reset-requests", b"%ds" % reset_s),
    ]
