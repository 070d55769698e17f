"""A request that was begun before there was a task for it: what was taken, and its first attempt.

The direct way (``gateway.direct``) begins a request; if that does not end in a plain answer, the
data plane takes over and goes on as if it had begun the request itself. Whatever is held here is
given back at the end of its ``with`` block there.
"""

from gateway.admission import Slot
from gateway.auth import Caller
from gateway.http1_connection import Pending
from gateway.quotas import Allowance
from gateway.replica import Attempt, Replica
from gateway.routing_table import Route
from shared.http import Scope


class Begun(Pending):
    """One request and what is held for it."""

    route: Route
    caller: Caller
    request_id: str
    started: float  # time.perf_counter() at which its head was there
    deadline: float  # time.monotonic() at which its time is over
    slot: Slot
    allowance: Allowance
    replica: Replica
    attempt: Attempt
    sent: float  # time.perf_counter() at which the attempt began

    __slots__ = tuple(__annotations__)


def begun_of(scope: Scope) -> Begun | None:
    """What was begun of a request before the application was asked."""
    found: Begun | None = scope.get("state", {}).get("begun")
    return found
