"""Which replica takes a request: the better of two drawn at random.

Mitzenmacher, "The power of two choices in randomized load balancing" (IEEE TPDS, 2001). A replica
that has just become ready counts as busier than it is and so warms up on a smaller share.
"""

import random
from collections.abc import Sequence

from gateway.replica import Replica

SLOW_START_S = 10.0
SLOW_START_FLOOR = 0.1  # share of a replica that became ready this very moment


def cost(replica: Replica, now: float) -> float:
    """How busy a replica is, with the one to come.

    Args:
        replica: a ready replica.
        now: loop time, in s.
    """
    age_s = now - replica.ready_since if replica.ready_since is not None else SLOW_START_S
    share = min(1.0, max(SLOW_START_FLOOR, age_s / SLOW_START_S))
    return (replica.load + 1.0) / share


def choose(replicas: Sequence[Replica], now: float) -> Replica:
    """The less busy of two replicas drawn at random; ``replicas`` is not empty."""
    if len(replicas) == 1:
        return replicas[0]
    first, second = random.sample(replicas, 2)
    return first if cost(first, now) <= cost(second, now) else second
