"""Engines that are replaced while they serve, in virtual time."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from shared.batching import BatchLimits
from shared.engine import EngineInfo
from shared.errors import EngineError, FatalEngineError
from shared.gpu.ledger import DeviceMemoryFull
from shared.host import EngineHost
from shared.host_policy import HostPolicy, Phase
from shared.lane_health import RecyclePolicy
from shared.lanes import InlineLane
from shared.metrics import EngineMetrics
from tests.shared.scripted_host import Script, ask, host_of, ready_host
from tests.shared.virtual_time import simulate


def test_recycling_swaps_lanes_without_dropping_a_request():
    async def main(loop):
        script = Script()
        host = await ready_host(script)
        answers = []

        async def client():
            while loop.time() < end:
                answers.append((await ask(host, 0))[0])

        end = loop.time() + 3
        clients = [asyncio.ensure_future(client()) for _ in range(4)]
        await asyncio.sleep(1)
        await host.recycle("test")
        await asyncio.gather(*clients)
        return answers, script.stopped

    answers, stopped = simulate(main)
    assert answers == sorted(answers)
    assert set(answers) == {0, 1}
    assert stopped == 1


def test_replacement_that_fails_leaves_the_old_engine_in_service():
    async def main(loop):
        script = Script(starts=[EngineInfo("m", "cpu"), EngineError("wrong golden answer")])
        host = await ready_host(script)
        with pytest.raises(EngineError, match="golden"):
            await host.recycle("test")
        return host.phase, await ask(host, 1)

    assert simulate(main) == (Phase.READY, (0, 1))


def test_unloading_while_a_replacement_starts_frees_both_engines():
    async def main(loop):
        script = Script()
        host = await ready_host(script)
        recycling = asyncio.ensure_future(host.recycle("test"))
        await asyncio.sleep(0.2)
        await host.unload()
        await recycling
        left = (host.phase, [lane.is_alive for lane in script.started])
        host.start()
        await host.settled()
        return left, await ask(host, 1)

    left, answer = simulate(main)
    assert left == (Phase.UNLOADED, [False, False])
    assert answer == (2, 1)


def test_engine_that_dies_while_its_replacement_starts_is_replaced_once():
    async def main(loop):
        script = Script()
        host = await ready_host(script)
        recycling = asyncio.ensure_future(host.recycle("test"))
        await asyncio.sleep(0.2)
        with pytest.raises(FatalEngineError):
            await ask(host, "die")
        await recycling
        await asyncio.sleep(5)
        return sum(lane.is_alive for lane in script.started), (await ask(host, 1))[1]

    assert simulate(main) == (1, 1)


def test_unloading_while_room_is_made_for_a_replacement_ends_the_work_and_the_engine():
    async def main(loop):
        script = Script(starts=[EngineInfo("m", "cpu"), DeviceMemoryFull("no room")])
        host = await ready_host(script)
        recycling = asyncio.ensure_future(host.recycle("test"))
        await asyncio.sleep(0.45)
        working = asyncio.ensure_future(ask(host, 1))
        await recycling
        await asyncio.sleep(0.01)
        await host.unload()
        answer = await working
        await asyncio.sleep(5)
        return answer, host.phase, [lane.is_alive for lane in script.started]

    assert simulate(main) == ((0, 1), Phase.UNLOADED, [False, False])


def test_lanes_that_are_reloaded_one_after_the_other_are_as_many_as_before():
    async def main(loop):
        script = Script(room=2, stop_s=1.0)
        host = host_of(script, policy=HostPolicy(lanes=2))
        host.start()
        await asyncio.sleep(5)
        await host.recycle("test")
        await asyncio.sleep(60)
        alive = [lane.is_alive for lane in script.started]
        await host.unload()
        return alive, [lane.is_alive for lane in script.started]

    recycled, unloaded = simulate(main)
    assert recycled == [False, False, True, True]
    assert not any(unloaded)


class SpoilableEngine:
    """An engine of this process that "spoil" breaks for good, whatever is loaded afterwards."""

    made = 0

    def __init__(self):
        SpoilableEngine.made += 1
        self.number, self.is_spoilt, self.is_open = SpoilableEngine.made, False, False

    def load(self):
        self.is_open = True
        return EngineInfo("m", "cpu")

    def warm_up(self):
        pass

    def run(self, key, payloads):
        assert self.is_open
        self.is_spoilt = self.is_spoilt or "spoil" in payloads
        if self.is_spoilt:
            raise FatalEngineError("spoilt")
        return [(self.number, payload) for payload in payloads]

    def close(self):
        self.is_open = False


@pytest.fixture
async def inline_host():
    SpoilableEngine.made = 0
    metrics = EngineMetrics(CollectorRegistry())
    host = EngineHost(InlineLane(SpoilableEngine), BatchLimits(), metrics=metrics, name="test")
    host.start()
    await host.settled()
    yield host
    await host.stop()


async def test_engine_of_this_process_is_recycled_by_a_new_one(inline_host):
    first = await ask(inline_host, 1)

    await inline_host.recycle("test")

    assert [first, await ask(inline_host, 1)] == [(1, 1), (2, 1)]


async def test_engine_of_this_process_that_was_lost_is_replaced_by_a_new_one(inline_host):
    with pytest.raises(FatalEngineError):
        await ask(inline_host, "spoil")

    assert await ask(inline_host, 1) == (2, 1)


async def lanes_after(batches, script):
    """How many lanes were started until so many requests were answered one after the other."""
    host = await ready_host(script)
    for number in range(batches):
        assert (await ask(host, number))[1] == number
    lanes = len(script.started)
    await host.stop()
    return lanes


def test_leaking_engine_is_recycled_without_a_failed_request_and_a_steady_one_is_not():
    assert simulate(lambda _: lanes_after(600, Script(leak_bytes=3 * 2**20))) > 1
    assert simulate(lambda _: lanes_after(600, Script())) == 1


def test_engine_that_fills_its_caches_is_not_recycled_again_and_again():
    script = Script(leak_bytes=3 * 2**20 // 2, full_bytes=400 * 2**20)

    assert simulate(lambda _: lanes_after(3000, script)) == 2


def test_engine_that_leaks_is_recycled_as_long_as_it_leaks():
    assert simulate(lambda _: lanes_after(6000, Script(leak_bytes=3 * 2**20))) >= 8


def test_growth_that_a_clean_up_gives_back_is_no_leak_the_first_time():
    def lanes(batches):
        script = Script(leak_bytes=3 * 2**20, frees=True)
        return simulate(lambda _: lanes_after(batches, script))

    assert lanes(300) == 1
    assert lanes(600) == 2


def test_engine_is_recycled_after_its_number_of_batches():
    async def main(loop):
        script = Script()
        host = await ready_host(script, policy=HostPolicy(recycle=RecyclePolicy(after_batches=10)))
        lanes = [(await ask(host, number))[0] for number in range(40)]
        await host.stop()
        return lanes

    lanes = simulate(main)
    assert lanes == sorted(lanes)
    assert lanes[-1] >= 2
