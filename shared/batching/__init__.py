"""Cross-request batching: requests of all clients share batches, and no one waits for nothing.

``DynamicBatcher`` is what a service uses. Its parts: ``items`` (what goes in), ``waiting`` (the
queue and the choice of a batch's members), ``admission`` (what is refused at the door), ``cost``
(what a batch will take), ``returns`` (when to wait for more), ``inline`` (what runs without a
thread), ``caps`` (how much fits the device), ``recovery`` (one bad item fails alone), ``parts``
(a request of many items), ``batcher`` (puts them together), ``from_settings`` (the operator's
switches).
"""

from shared.batching.batcher import DynamicBatcher
from shared.batching.items import BatchLimits, Item, ItemTrace, Priority, WaitMode
from shared.batching.parts import run_parts
from shared.batching.waiting import Outcome, Waiting

__all__ = [
    "BatchLimits",
    "DynamicBatcher",
    "Item",
    "ItemTrace",
    "Outcome",
    "Priority",
    "WaitMode",
    "Waiting",
    "run_parts",
]
