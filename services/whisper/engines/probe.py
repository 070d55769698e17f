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
"""A larger batch is taken when an item costs less than this share of what it did before."""


def paying_batch_size(
    run: Callable[[int], object], *, clock: Callable[[], float] = time.perf_counter
) -> int:
    """The largest batch in which an item costs clearly less than in the one half its size.

    Args:
        run: runs a batch of so many items.
        clock: in s.
    """
    size, cost_s = 1, _cost_s(run, 1, clock)
    for larger in BATCH_SIZES:
        larger_s = _cost_s(run, larger, clock)
        log.info("probe: in batches of %d an item takes %.3f s, of %d %.3f s",
                 size, cost_s, larger, larger_s)  # fmt: skip
        if larger_s > WORTHWHILE * cost_s:
            break
        size, cost_s = larger, larger_s
    return size


def _cost_s(run: Callable[[int], object], size: int, clock: Callable[[], float]) -> float:
    """Time of one item; the best of a few rounds, so that other load counts little."""
    spent = []
    for _ in range(ROUNDS):
        started = clock()
        run(size)
        spent.append(clock() - started)
    return min(spent) / size
