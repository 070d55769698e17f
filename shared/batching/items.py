"""What goes into a batcher, and the bounds it keeps."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from math import inf
from typing import Any


class Priority(IntEnum):
    """Class of service of an item. Neither starves the other."""

    INTERACTIVE = 0
    BULK = 1


class WaitMode(StrEnum):
    """Whether an idle lane may wait a little for a fuller batch."""

    AUTO = "auto"  # only while measured cost and arrival rate say that it pays
    FIXED = "fixed"  # always ``max_batch_wait_ms``, as other servers do
    OFF = "off"  # never


@dataclass(slots=True)
class ItemTrace:
    """What happened to an item; filled in by the batcher."""

    queue_ms: float = 0.0  # from submission to the start of its batch
    inference_ms: float = 0.0  # run time of its batch, retries included
    batch_items: int = 0  # items in that batch


@dataclass(eq=False, slots=True)  # not frozen: every request makes one, and that costs threefold
class Item:
    """One piece of work."""

    payload: Any
    key: Hashable  # only items with equal keys share a batch: shape bucket, options
    deadline: float  # absolute, on the batcher's clock, in s
    weight: float = 1.0  # cost in the unit of ``BatchLimits.max_weight`` (pixels, seconds, rows)
    priority: Priority = Priority.INTERACTIVE
    size_bytes: int = 0  # memory that it holds while it waits
    trace: ItemTrace = field(default_factory=ItemTrace)


@dataclass(frozen=True)
class BatchLimits:
    """Bounds of batches and of the queue. Each feature has its switch here."""

    max_batch_size: int = 8  # most items in a batch
    max_weight: float = inf  # most weight in a batch; a heavier item runs alone
    max_latency_ms: float = inf  # longest predicted run of a batch with more than one item
    max_queue_items: int = 256  # most items waiting
    max_queue_bytes: int = 2**30  # most memory of waiting items
    wait_mode: WaitMode = WaitMode.AUTO
    max_batch_wait_ms: float = 5.0  # longest wait of an idle lane for a fuller batch
    inline_below_ms: float = 0.0  # shorter batches run on the event loop, where the lane can
    interactive_share: int = 8  # interactive items started for each bulk one, while both wait
    bulk_stretch: float = 1.0  # share of a batch's time that bulk items may add, as long as
    # interactive work comes; infinite: they fill it up
    aging_s: float = 10.0  # an item this old goes before any that has not yet waited
    isolate_failures: bool = True  # run a failed batch again in halves; off for stateful engines
    learn_memory_cap: bool = True  # remember the weight at which the device ran out of memory
