"""Which thread a batch runs on: the loop's own for a short one, the lane's for a long one."""

import asyncio
import threading
import time

import pytest
from prometheus_client import CollectorRegistry

from shared.batching import BatchLimits, DynamicBatcher, Item
from shared.batching.inline import InlineRuns
from shared.engine import EngineInfo
from shared.errors import EngineError
from shared.lanes import InlineLane
from shared.metrics import EngineMetrics


class Engine:
    """Notes the thread of each batch; a payload that is a callable is called."""

    def __init__(self):
        self.threads, self.sizes = [], []

    def load(self):
        return EngineInfo("m", "cpu")

    def warm_up(self):
        pass

    def run(self, key, payloads):
        self.threads.append(threading.current_thread())
        self.sizes.append(len(payloads))
        return [each() if callable(each) else each for each in payloads]

    def close(self):
        pass


def fail():
    raise ValueError("one of them is bad")


async def run(payloads, *, weight=1.0, turns=1, **limits):
    """Submit payloads together, some times in turn; gives engine and last outcomes."""
    engine = Engine()
    lane = InlineLane(lambda: engine)
    await lane.start()
    batcher = DynamicBatcher(BatchLimits(**limits), metrics=EngineMetrics(CollectorRegistry()))
    batcher.open()
    batcher.add_lane(lane)
    for _ in range(turns):
        items = [Item(each, "k", time.monotonic() + 60, weight) for each in payloads]
        outcomes = await asyncio.gather(*map(batcher.submit, items), return_exceptions=True)
    await lane.stop()
    return engine, outcomes


async def test_short_batches_run_on_the_loop():
    engine, outcomes = await run([1, 2, 3], turns=8, inline_below_ms=1e6)

    assert outcomes == [1, 2, 3]
    assert set(engine.threads) == {threading.current_thread()}


@pytest.mark.parametrize("limits", [{"inline_below_ms": 0.0}, {}])
async def test_switched_off_all_batches_run_on_the_lanes_thread(limits):
    engine, _ = await run([1, 2, 3], turns=3, **limits)

    assert threading.current_thread() not in engine.threads


async def test_batches_known_to_be_long_run_on_the_lanes_thread():
    def work():
        until = time.thread_time() + 0.002
        while time.thread_time() < until:
            pass

    engine, _ = await run([work], turns=8, inline_below_ms=1.0)

    assert engine.threads[0] is threading.current_thread()
    assert engine.threads[-1] is not threading.current_thread()


async def test_bad_item_of_a_short_batch_fails_alone():
    engine, outcomes = await run([1, fail, 3], inline_below_ms=1e6)

    assert isinstance(outcomes[1], EngineError)
    assert outcomes[::2] == [1, 3]


async def test_failed_short_batch_is_not_run_again_for_a_stateful_engine():
    engine, outcomes = await run([1, fail], inline_below_ms=1e6, isolate_failures=False)

    assert engine.sizes == [2]
    assert all(isinstance(each, EngineError) for each in outcomes)


def test_predicted_length_decides():
    runs, lane = InlineRuns(1.0), InlineLane(Engine)
    for weight in (1, 2, 3, 4, 5):
        lane.last_run_s = 0.0002 + 0.0001 * weight
        runs.observe(lane, weight)

    assert runs.suits(lane, 7.9)
    assert not runs.suits(lane, 8.1)
