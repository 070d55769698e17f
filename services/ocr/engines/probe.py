"""Find out at start whether batches pay on this machine: on GPUs they do, on CPUs rarely."""

import time
from collections.abc import Callable
from statistics import median

BATCH_SIZES = (1, 4, 8, 16)
ROUNDS = 3
WORTH_IT = 0.9
"""A larger batch must take at most this share of the time per item."""


def fastest_batch_size(
    run: Callable[[int], object], clock: Callable[[], float] = time.perf_counter
) -> int:
    """The batch size with the least time per item; a larger one only where it clearly pays.

    Args:
        run: runs a batch of so many items.
        clock: time in s.
    """
    best, best_s = 1, _item_s(run, 1, clock)
    for count in BATCH_SIZES[1:]:
        item_s = _item_s(run, count, clock)
        if item_s > WORTH_IT * best_s:
            return best
        best, best_s = count, item_s
    return best


def _item_s(run: Callable[[int], object], count: int, clock: Callable[[], float]) -> float:
    run(count)  # the first run at a shape also prepares it
    times = []
    for _ in range(ROUNDS):
        started = clock()
        run(count)
        times.append(clock() - started)
    return median(times) / count
