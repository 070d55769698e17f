"""Measure on this machine which runtime is the fastest, and whether batches pay.

Which runtime wins depends on the CPU, so it is measured at start rather than assumed. A runtime
that is faster because it calculates more coarsely (bfloat16) must first answer as the original.
"""

import logging
import time
from collections.abc import Callable, Sequence

import numpy as np

from services.yolo.engines.forward import Forward
from services.yolo.facts import ModelFacts
from services.yolo.found import FloatArray
from services.yolo.letterbox import Pixels

log = logging.getLogger(__name__)

Clock = Callable[[], float]

ROUNDS = 5
BATCH_SIZES = (2, 4, 8, 16, 32)
WORTHWHILE = 0.8
"""A larger batch is taken when it costs less than this share a picture of the one before."""
SCORE_TOLERANCE = 0.05  # largest difference of a score
BOX_TOLERANCE = 0.02  # of a coordinate, as a share of the canvas' long side
MEAN_TOLERANCE = 0.02  # mean difference of all that is answered, as a share of the mean answer
LIKELY = 0.1  # anchors scoring above this have boxes that are compared


def fastest(
    candidates: Sequence[Forward], canvas: Pixels, *, clock: Clock = time.perf_counter
) -> Forward:
    """The runtime with the shortest forward pass of one picture.

    Args:
        candidates: at least one; measured in turns, so that other load meets all alike.
        canvas: the picture.
        clock: in s.
    """
    best_ms = [float("inf")] * len(candidates)
    for round_number in range(ROUNDS + 1):
        for number, each in enumerate(candidates):
            spent_ms = _milliseconds(each, [canvas], clock)
            if round_number:  # the first warms up
                best_ms[number] = min(best_ms[number], spent_ms)
    for each, spent_ms in zip(candidates, best_ms, strict=True):
        log.debug("probe: %s in %s takes %.1f ms", each.runtime, each.compute_type, spent_ms)
    return candidates[int(np.argmin(best_ms))]


def paying_batch_size(forward: Forward, canvas: Pixels, *, clock: Clock = time.perf_counter) -> int:
    """The largest batch in which a picture costs clearly less than in the one half its size.

    Args:
        forward: a loaded model; one exported for a fixed batch is answered by that batch.
        canvas: the picture to measure with.
        clock: in s.
    """
    if forward.fixed_batch is not None:
        return forward.fixed_batch
    size, cost_ms = 1, _cost_ms(forward, canvas, 1, clock)
    for larger in BATCH_SIZES:
        larger_ms = _cost_ms(forward, canvas, larger, clock)
        log.debug("probe: %d pictures cost %.2f ms each, %d %.2f", size, cost_ms, larger, larger_ms)
        if larger_ms > WORTHWHILE * cost_ms:
            break
        size, cost_ms = larger, larger_ms
    return size


def difference(original: Forward, other: Forward, canvases: Sequence[Pixels]) -> str | None:
    """What ``other`` answers differently from ``original``; None while it is within bounds."""
    for canvas in canvases:
        expected, got = original([canvas])[0][0], other([canvas])[0][0]
        told = _difference(expected, got, original.facts, canvas.shape)
        if told is not None:
            return told
    return None


def _difference(
    expected: FloatArray, got: FloatArray, facts: ModelFacts, canvas_shape: tuple[int, ...]
) -> str | None:
    if expected.shape != got.shape:
        return f"its answer has the shape {got.shape} instead of {expected.shape}"
    if facts.has_nms:  # rows are in the order of their scores, which may change places
        off = float(np.abs(np.sort(expected[:, 4]) - np.sort(got[:, 4])).max())
        return _beyond("a score", off, SCORE_TOLERANCE)
    if facts.task == "classify":
        return _beyond("a score", float(np.abs(expected - got).max()), SCORE_TOLERANCE)
    last = 4 + len(facts.classes)
    likely = expected[4:last].max(axis=0) > LIKELY
    boxes = np.abs(expected[:4, likely] - got[:4, likely]) / max(canvas_shape)
    mean = np.abs(expected - got).mean() / max(float(np.abs(expected).mean()), 1e-9)
    return (
        _beyond("a score", float(np.abs(expected[4:last] - got[4:last]).max()), SCORE_TOLERANCE)
        or _beyond("a box", float(boxes.max(initial=0)), BOX_TOLERANCE)
        or _beyond("the mean answer", float(mean), MEAN_TOLERANCE)
    )


def _beyond(what: str, off: float, tolerance: float) -> str | None:
    # Written so that a value that is not a number is beyond too.
    return None if off <= tolerance else f"{what} differs by {off:.3g}, more than {tolerance:g}"


def _cost_ms(forward: Forward, canvas: Pixels, count: int, clock: Clock) -> float:
    """Best time of a picture in a batch of ``count``."""
    canvases = [canvas] * count
    forward(canvases)
    return min(_milliseconds(forward, canvases, clock) for _ in range(ROUNDS)) / count


def _milliseconds(forward: Forward, canvases: Sequence[Pixels], clock: Clock) -> float:
    started = clock()
    forward(canvases)
    return (clock() - started) * 1000
