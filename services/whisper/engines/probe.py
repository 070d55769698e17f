"""Measure on this machine what pays. Plain functions.

Whether batches do depends on the arithmetic library: oneDNN's int8 and all of float32 decode a
window up to twice as fast among eight; MKL's int8 is fastest with one. Whether replicas do depends
on the model's size and the cores.
"""

import logging
import time
from collections.abc import Callable, Iterable
from math import inf
from typing import TypeVar

log = logging.getLogger(__name__)

LEAST_ROUNDS, MOST_ROUNDS = 2, 5
ENOUGH_S = 1.0
"""After this time a measurement has no further rounds: large models are to start soon, too."""

WORTHWHILE = 0.9
"""More is taken when an item then costs less than this share of what it costs with less."""

Choice = TypeVar("Choice")


def paying_batch_size(
    run: Callable[[int], object],
    *,
    least: int = 1,
    most: int = 8,
    clock: Callable[[], float] = time.perf_counter,
) -> int:
    """The smallest batch in which an item costs about as little as in the best.

    Sizes are doubled from the least to the most, and all are tried: two may share the cores no
    better than one, and eight twice as well.

    Args:
        run: runs a batch of so many items.
        least: the smallest size, returned if no larger one pays.
        most: no larger size is tried, except for ``least``.
        clock: in s.
    """
    sizes = [least]
    while 2 * sizes[-1] <= most:
        sizes.append(2 * sizes[-1])
    if len(sizes) == 1:
        return least
    costs_s = {size: cost_s(run, size, clock=clock) for size in sizes}
    shown = ", ".join(f"{cost:.4f} s in batches of {size}" for size, cost in costs_s.items())
    log.info("probe: an item takes %s", shown)
    best_s = min(costs_s.values())
    if best_s > WORTHWHILE * costs_s[least]:
        return least
    return next(size for size, cost in costs_s.items() if WORTHWHILE * cost <= best_s)


def last_paying(choices: Iterable[Choice], cost: Callable[[Choice], float]) -> Choice:
    """The last of ``choices`` up to which each costs less than ``WORTHWHILE`` of the one before.

    Args:
        choices: at least one; what comes after the first that does not pay is not measured.
        cost: of an item, in s.
    """
    best, best_s = None, inf
    for each in choices:
        cost_s = cost(each)
        log.info("probe: an item takes %.4f s with %s", cost_s, each)
        if best is not None and cost_s > WORTHWHILE * best_s:
            break
        best, best_s = each, cost_s
    assert best is not None
    return best


def cost_s(
    run: Callable[[int], object], size: int, *, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Time of one item; the best of a few rounds, so that other load counts little."""
    spent: list[float] = []
    while len(spent) < LEAST_ROUNDS or (len(spent) < MOST_ROUNDS and sum(spent) < ENOUGH_S):
        started = clock()
        run(size)
        spent.append(clock() - started)
    return min(spent) / size
