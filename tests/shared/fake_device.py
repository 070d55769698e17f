"""A device in virtual time with scripted cost and faults, behind the lane protocol."""

import asyncio
from dataclasses import dataclass, field

from shared.errors import EngineError, FatalEngineError, OutOfMemory
from shared.lanes import LaneHung, checked


@dataclass
class FakeLane:
    """Takes ``fixed_s + per_weight_s · weight`` for a batch; payloads are (tag, weight, kind)."""

    fixed_s: float = 0.008
    per_weight_s: float = 0.001
    memory_weight: float = float("inf")  # a heavier batch runs out of memory
    is_alive: bool = True
    memory_bytes: int | None = None
    short_by: int = 0  # leaves out this many results
    batches: list = field(default_factory=list)  # (key, tags, weight, start)

    async def start(self):
        raise AssertionError("a fake lane is always loaded")

    async def stop(self):
        self.is_alive = False

    def clone(self):
        return FakeLane(self.fixed_s, self.per_weight_s, self.memory_weight)

    async def run(self, key, payloads):
        weight = sum(weight for _, weight, _ in payloads)
        start = asyncio.get_running_loop().time()
        self.batches.append((key, [tag for tag, _, _ in payloads], weight, start))
        await asyncio.sleep(self.fixed_s + self.per_weight_s * weight)
        kinds = {kind for _, _, kind in payloads}
        if weight > self.memory_weight:
            raise OutOfMemory("too big")
        if "sticky" in kinds:
            raise FatalEngineError("the device failed")
        if "hang" in kinds:
            self.is_alive = False
            raise LaneHung("hung")
        if "poison" in kinds:
            raise EngineError("one of them is bad")
        results = [
            ValueError("own fault") if kind == "bad" else (key, tag) for tag, _, kind in payloads
        ]
        return checked(results[: len(results) - self.short_by], payloads)

    @property
    def started_tags(self):
        return [tag for _, tags, _, _ in self.batches for tag in tags]

    __hash__ = object.__hash__
    __eq__ = object.__eq__
