"""Find out at start which runtime is faster here, and whether batches pay.

Batches pay on GPUs, rarely on CPUs. OpenVINO is many times as fast as ONNX Runtime where the CPU
has matrix units for bfloat16, and hardly faster elsewhere. What calculates more coarsely must
answer alike to be taken.
"""

import logging
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Protocol, TypeVar

import numpy as np

from services.ocr.readings import FoundText, Reading

log = logging.getLogger(__name__)

Clock = Callable[[], float]
PLACE_TOLERANCE_PX = 4.0
CONFIDENCE_TOLERANCE = 0.05


class Network(Protocol):
    """What of a network a comparison names and frees."""

    runtime: str
    compute_type: str

    def close(self) -> None:
        """Free it."""
        ...


AnyNetwork = TypeVar("AnyNetwork", bound=Network)
Answer = TypeVar("Answer")


def faster(
    networks: Sequence[AnyNetwork],
    run: Callable[[AnyNetwork], Answer],
    is_alike: Callable[[Answer, Answer], bool],
    clock: Clock = time.process_time,
) -> AnyNetwork:
    """The fastest of those that answer like the first; the others are closed.

    Args:
        networks: the same weights in several runtimes, at least one.
        run: runs one on the golden example.
        is_alike: whether an answer may stand for the first network's.
        clock: time in s; of the processor, which repeats on a busy machine, since all runtimes
            have the same number of threads.
    """
    answers = [run(each) for each in networks]  # the first run at a shape also prepares it
    times_s = [float("inf")] * len(networks)
    for _ in range(RUNTIME_ROUNDS if len(networks) > 1 else 0):
        for number, each in enumerate(networks):  # in turns, so that other load meets all alike
            started = clock()
            run(each)
            times_s[number] = min(times_s[number], clock() - started)
    best = 0
    for number, each in enumerate(networks[1:], 1):
        if not is_alike(answers[0], answers[number]):
            log.warning("%s in %s answers otherwise: not used", each.runtime, each.compute_type)
        elif times_s[number] < times_s[best]:
            best = number
    for number, each in enumerate(networks):
        if len(networks) > 1:
            log.debug("%s in %s: %.1f ms", each.runtime, each.compute_type, 1000 * times_s[number])
        if number != best:
            each.close()
    return networks[best]


def finds_alike(expected: Sequence[FoundText], got: Sequence[FoundText]) -> bool:
    """Whether the same boxes were found, within ``PLACE_TOLERANCE_PX``."""
    return all(
        one.polygons.shape == other.polygons.shape
        and np.abs(one.polygons - other.polygons).max(initial=0) <= PLACE_TOLERANCE_PX
        for one, other in zip(expected, got, strict=True)
    )


def reads_alike(expected: Sequence[Reading], got: Sequence[Reading]) -> bool:
    """Whether the same was read, as surely within ``CONFIDENCE_TOLERANCE``."""
    return all(
        one.text == other.text and abs(one.confidence - other.confidence) <= CONFIDENCE_TOLERANCE
        for one, other in zip(expected, got, strict=True)
    )


BATCH_SIZES = (1, 4, 8, 16)
ROUNDS = 3
RUNTIME_ROUNDS = 7
WORTH_IT = 0.8
"""A larger batch must take at most this share of the time per item."""
SLOW_S = 0.02
"""A batch shares the start of a run: an item that takes this long leaves little to gain."""


def fastest_batch_size(run: Callable[[int], object], clock: Clock = time.perf_counter) -> int:
    """The batch size with the least time per item; a larger one only where it clearly pays.

    Args:
        run: runs a batch of so many items.
        clock: time in s.
    """
    best, best_s = 1, _item_s(run, 1, clock)
    for count in BATCH_SIZES[1:] if best_s < SLOW_S else ():
        item_s = _item_s(run, count, clock)
        if item_s > WORTH_IT * best_s:
            return best
        best, best_s = count, item_s
    return best


def _item_s(run: Callable[[int], object], count: int, clock: Clock) -> float:
    run(count)  # the first run at a shape also prepares it
    times = []
    for _ in range(ROUNDS):
        started = clock()
        run(count)
        times.append(clock() - started)
    return median(times) / count
