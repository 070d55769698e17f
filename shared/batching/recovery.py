"""Run a batch so that one bad item fails alone and a batch that does not fit is run in parts."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from shared.errors import EngineError, FatalEngineError, GantryError, OutOfMemory

Run = Callable[[Sequence[Any]], Awaitable[Sequence[Any]]]
"""Runs payloads; gives one result or exception for each, or raises for all."""


@dataclass
class RecoveryReport:
    """What happened on the way."""

    calls: int = 0
    bisects: int = 0  # batches run again in halves because an item failed them
    memory_failures: int = 0  # batches that ran out of memory
    smallest_failed_weight: float | None = None  # of those


async def run_isolating(
    run: Run, payloads: Sequence[Any], weights: Sequence[float], report: RecoveryReport
) -> list[Any]:
    """Run a batch; when it fails as a whole, run its halves, down to single items.

    At most ``2 · n`` calls are made for n items, which is what isolating one bad item never needs.

    Args:
        run: runs any part of the batch.
        payloads: the items.
        weights: their weights, for the report.
        report: filled in.

    Returns:
        For each payload, in order, its result or exception.

    Raises:
        FatalEngineError: the engine is broken; running anything again is pointless.
    """
    budget = 2 * len(payloads)
    results: list[Any] = [None] * len(payloads)
    parts = [range(len(payloads))]
    while parts:
        part = parts.pop()
        report.calls += 1
        try:
            answers = await run([payloads[index] for index in part])
        except FatalEngineError:
            raise
        except GantryError as error:
            _note(error, part, weights, report)
            if len(part) > 1 and report.calls + 2 <= budget and isinstance(error, EngineError):
                middle = part[len(part) // 2]
                parts += [range(middle, part.stop), range(part.start, middle)]
                continue
            answers = [error] * len(part)
        for index, answer in zip(part, answers, strict=True):
            results[index] = answer
    return results


def _note(
    error: GantryError, part: range, weights: Sequence[float], report: RecoveryReport
) -> None:
    if isinstance(error, OutOfMemory):
        report.memory_failures += 1
        weight = sum(weights[index] for index in part)
        known = report.smallest_failed_weight
        if len(part) > 1:  # a single item that never fits says nothing about batches
            report.smallest_failed_weight = weight if known is None else min(known, weight)
    elif len(part) > 1:
        report.bisects += 1
