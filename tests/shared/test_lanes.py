import asyncio
import threading
import weakref

import psutil
import pytest

from shared.engine import EngineInfo
from shared.errors import EngineError, OutOfMemory
from shared.lanes import InlineLane
from tests.shared.echo import process_lane


class Tensor:
    pass


class HungryEngine:
    """Runs out of memory on "big", alone or for its batch, while it holds a tensor."""

    def __init__(self):
        self.held = []

    def load(self):
        return EngineInfo(model="hungry", device="cpu")

    def warm_up(self):
        pass

    def run(self, key, payloads):
        tensor = Tensor()
        self.held.append(weakref.ref(tensor))
        if payloads == ["big"]:
            raise MemoryError
        return [MemoryError() if each == "big" else each for each in payloads]

    def close(self):
        pass


@pytest.fixture
async def hungry():
    engine = HungryEngine()
    lane = InlineLane(lambda: engine)
    await lane.start()
    yield engine, lane
    await lane.stop()


async def test_batch_that_ran_out_of_memory_lets_go_of_its_tensors(hungry):
    engine, lane = hungry

    with pytest.raises(OutOfMemory) as kept:
        await lane.run((), ["big"])

    assert engine.held[0]() is None
    assert kept.value.__cause__ is not None


async def test_item_that_ran_out_of_memory_fails_alone(hungry):
    _, lane = hungry

    small, big = await lane.run((), ["small", "big"])

    assert small == "small"
    assert isinstance(big, OutOfMemory)


async def test_engine_cleans_up_between_batches_when_asked(hungry):
    _, lane = hungry

    await lane.clean_up()

    assert await lane.run((), ["small"]) == ["small"]


async def test_engine_in_a_process_of_its_own_cleans_up_and_goes_on():
    lane = process_lane()
    await lane.clean_up()  # nothing is loaded, nothing to give back
    await lane.start()

    await lane.clean_up()

    assert await lane.run((), [1, 2]) == [1, 2]
    await lane.stop()
    with pytest.raises(EngineError):
        await lane.run((), [1])


async def test_engine_whose_process_cannot_be_made_leaves_nothing_open():
    lane = process_lane(environ={"NUL": "\0"})
    files = psutil.Process().num_fds()

    with pytest.raises(ValueError, match="null byte") as kept:
        await lane.start()
    for thread in threads_of("echo"):
        thread.join(timeout=5)

    assert threads_of("echo") == []
    assert (psutil.Process().num_fds(), kept.type) == (files, ValueError)


async def test_start_that_is_given_up_while_the_process_is_made_leaves_none_behind():
    lane, before = process_lane(), psutil.Process().children()
    starting = asyncio.create_task(lane.start())
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    starting.cancel()
    await asyncio.wait({starting})

    assert starting.cancelled()
    assert psutil.Process().children() == before
    assert not lane.is_alive


def threads_of(lane_name):
    return [each for each in threading.enumerate() if each.name.startswith(lane_name)]
