"""Measure on this machine whether batches pay. Plain functions.

On a CPU that depends on the arithmetic library: oneDNN's int8 and all of float32 decode a window up
to twice as fast among eight; MKL's int8 is fastest with one.
"""

import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

ROUNDS = 3
BATCH_SIZES = (2, 4, 8)
WORTHWHILE = 0.9
"""Batches are made when an item of the best costs less than this share of what one alone does."""


def paying_batch_size(
    run: Callable[[int], object], *, clock: Callable[[], float] = time.perf_counter
) -> int:
    """The smallest batch in which an item costs about as little as in the best; 1 if none pays.

    All sizes are tried: two may share the cores no better than one, and eight twice as well.

    Args:
        run: runs a batch of so many items.
        clock: in s.
    """
    costs_s = {size: _cost_s(run, size, clock) for size in (1, *BATCH_SIZES)}
    shown = ", ".join(f"{cost:.4f} s in batches of {size}" for size, cost in costs_s.items())
    log.debug("probe: an item takes %s", shown)
    best_s = min(costs_s.values())
    if best_s > WORTHWHILE * costs_s[1]:
        return 1
    return next(size for size, cost_s in costs_s.items() if WORTHWHILE * cost_s <= best_s)


def _cost_s(run: Callable[[int], object], size: int, clock: Callable[[], float]) -> float:
    """Time of one item; the best of a few rounds, so that other load counts little."""
    spent = []
    for _ in range(ROUNDS):
        started = clock()
        run(size)
        spent.append(clock() - started)
    return min(spent) / size
