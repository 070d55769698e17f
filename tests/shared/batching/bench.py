"""A batcher to try things on: its lane is fake, its time virtual, its metrics its own."""

import asyncio

from prometheus_client import CollectorRegistry

from shared.batching import BatchLimits, DynamicBatcher, Item
from shared.metrics import EngineMetrics
from tests.shared.fake_device import FakeLane


class Bench:
    """A batcher on a fake lane, in virtual time."""

    def __init__(self, loop, lane=None, **limits):
        self.loop = loop
        self.lane = lane or FakeLane()
        self.lost = []
        self.registry = CollectorRegistry()
        self.batcher = DynamicBatcher(
            BatchLimits(**limits),
            metrics=EngineMetrics(self.registry),
            clock=loop.time,
            on_lane_lost=lambda lane, error: self.lost.append((lane, error)),
        )
        self.batcher.open()
        self.batcher.add_lane(self.lane)

    def submit(self, tag, *, weight=1.0, kind="good", key="k", within_s=60.0, **options):
        item = Item((tag, weight, kind), key, self.loop.time() + within_s, weight, **options)
        return asyncio.ensure_future(self.batcher.submit(item))

    async def outcomes(self, tasks):
        return await asyncio.gather(*tasks, return_exceptions=True)

    def count(self, metric, **labels):
        return self.registry.get_sample_value(metric, {"batcher": "default", **labels})
