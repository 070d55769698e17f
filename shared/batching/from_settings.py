"""The bounds of a service's batches, from its operator's settings."""

from dataclasses import replace
from math import inf

from shared.batching.items import BatchLimits, WaitMode
from shared.settings import EngineSettings


def limits_from(
    settings: EngineSettings,
    *,
    max_batch_size: int | None = None,
    max_weight: float = inf,
    queue_factor: int = 1,
) -> BatchLimits:
    """Bounds and switches as the settings say.

    Args:
        settings: the service's.
        max_batch_size: most items in a batch, where the service does not take the setting as it is.
        max_weight: most weight in a batch, in the service's own unit.
        queue_factor: items that one request may become, where a queue must hold all of them.
    """
    limits = BatchLimits(
        max_batch_size=max_batch_size or settings.max_batch_size,
        max_weight=max_weight,
        max_queue_items=settings.max_queue_items * queue_factor,
        wait_mode=WaitMode(settings.batch_wait),
        max_batch_wait_ms=settings.max_batch_wait_ms,
        isolate_failures=settings.isolate_failures,
        learn_memory_cap=settings.learn_memory_cap,
    )
    return limits if settings.optimized else plain(limits)


def plain(limits: BatchLimits) -> BatchLimits:
    """The same queue in front of an engine that runs one item at a time."""
    return replace(
        limits,
        max_batch_size=1,
        wait_mode=WaitMode.OFF,
        isolate_failures=False,
        learn_memory_cap=False,
        inline_below_ms=0.0,
    )
