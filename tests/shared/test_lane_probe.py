"""The start-up probe of the lane count, on a simulated device in virtual time."""

import asyncio
import time

import pytest
from prometheus_client import CollectorRegistry

from shared.batching import BatchLimits
from shared.context import RequestContext, entered
from shared.engine import EngineInfo
from shared.errors import EngineError
from shared.gpu.device import DeviceUnavailable
from shared.host import EngineHost
from shared.host_policy import HostPolicy
from shared.lane_probe import paying_lanes
from shared.metrics import EngineMetrics
from tests.shared import echo
from tests.shared.virtual_time import simulate

WORK_S = 0.1


class Device:
    """So many lanes run at full speed; more share it. Lanes beyond ``room`` find no memory."""

    def __init__(self, parallel, room=100):
        self.parallel, self.room = parallel, room
        self.busy = self.loaded = self.most_loaded = 0


class SimulatedLane:
    def __init__(self, device):
        self.device, self.is_alive, self.memory_bytes, self.pid = device, False, None, None

    def clone(self):
        return SimulatedLane(self.device)

    async def start(self):
        if self.device.loaded >= self.device.room:
            raise DeviceUnavailable("no memory is left")
        self.device.loaded += 1
        self.device.most_loaded = max(self.device.most_loaded, self.device.loaded)
        self.is_alive = True
        return EngineInfo("m", "cpu")

    async def exercise(self):
        self.device.busy += 1
        # Each tenth of the work goes on at the speed that the lanes at work leave it.
        for _ in range(10):
            await asyncio.sleep(WORK_S / 10 * max(1.0, self.device.busy / self.device.parallel))
        self.device.busy -= 1

    async def run(self, key, payloads):
        await self.exercise()
        return list(payloads)

    async def stop(self):
        self.device.loaded -= self.is_alive
        self.is_alive = False


async def probe(device, most, **options):
    first = SimulatedLane(device)
    await first.start()
    return await paying_lanes(first, most=most, **options)


@pytest.mark.parametrize(
    ("parallel", "most", "expected"), [(1, 4, 1), (2, 4, 2), (3, 8, 3), (8, 4, 4)]
)
def test_as_many_lanes_are_kept_as_raise_the_throughput(parallel, most, expected):
    async def main(loop):
        device = Device(parallel)
        lanes = await probe(device, most)
        return len(lanes), device.loaded, all(each.is_alive for each in lanes)

    assert simulate(main) == (expected, expected, True)


def test_lane_that_finds_no_memory_ends_the_search():
    async def main(loop):
        device = Device(8, room=2)
        return len(await probe(device, 8)), device.loaded

    assert simulate(main) == (2, 2)


def test_throughput_of_each_number_of_lanes_is_reported():
    async def main(loop):
        rates = {}
        await probe(Device(2), 4, report=rates.__setitem__)
        return rates

    assert simulate(main) == {
        1: pytest.approx(10),
        2: pytest.approx(20),
        3: pytest.approx(20, rel=0.05),
    }


def test_broken_first_lane_leaves_nothing_running():
    async def main(loop):
        device = Device(2)
        first = SimulatedLane(device)
        await first.start()

        async def fail():
            raise EngineError("wrong golden answer")

        first.exercise = fail
        with pytest.raises(EngineError, match="golden"):
            await paying_lanes(first, most=4)
        return device.loaded

    assert simulate(main) == 0


def test_service_that_stops_during_the_probe_leaves_nothing_running():
    async def main(loop):
        device = Device(4)
        probing = asyncio.ensure_future(probe(device, 4))
        await asyncio.sleep(10 * WORK_S)
        probing.cancel()
        await asyncio.wait({probing})
        return device.most_loaded > 1, device.loaded

    assert simulate(main) == (True, 0)


async def started(device, policy):
    registry = CollectorRegistry()
    host = EngineHost(
        SimulatedLane(device),
        BatchLimits(max_batch_size=1),
        metrics=EngineMetrics(registry),
        name="test",
        policy=policy,
    )
    host.start()
    await host.settled()
    await asyncio.sleep(60)

    def shown(name, **labels):
        return registry.get_sample_value(name, {"batcher": "test", **labels})

    return host, shown


async def ask(host):
    with entered(RequestContext("id", time.monotonic() + 1e6)):
        return await host.run(1)


def test_host_runs_batches_on_the_lanes_that_pay_and_shows_them():
    async def main(loop):
        device = Device(2)
        host, shown = await started(device, HostPolicy(max_lanes=4))
        begun = loop.time()
        await asyncio.gather(*(ask(host) for _ in range(8)))
        took_s = loop.time() - begun
        lanes = shown("gantry_engine_lanes")
        rates = [shown("gantry_lane_probe_rate", lanes=str(number)) for number in (1, 2)]
        await host.stop()
        return lanes, rates, took_s

    lanes, rates, took_s = simulate(main)
    assert lanes == 2
    assert rates == [pytest.approx(10), pytest.approx(20)]
    assert took_s == pytest.approx(8 * WORK_S / 2)


def test_without_the_probe_one_lane_is_loaded():
    async def main(loop):
        device = Device(4)
        host, shown = await started(device, HostPolicy())
        return device.most_loaded, shown("gantry_lane_probe_rate", lanes="1")

    assert simulate(main) == (1, None)


def test_reload_takes_the_lanes_that_were_found_without_another_probe():
    async def main(loop):
        device = Device(2)
        host, _ = await started(device, HostPolicy(max_lanes=4))
        await host.unload()
        unloaded, device.most_loaded = device.loaded, 0
        host.start()
        await asyncio.sleep(60)
        found = device.most_loaded, device.loaded
        await host.stop()
        return unloaded, found

    assert simulate(main) == (0, (2, 2))


async def test_golden_example_runs_in_the_engines_own_process():
    lane = echo.process_lane()
    await lane.start()
    try:
        await lane.exercise()
        await lane.stop()
        with pytest.raises(EngineError, match="not loaded"):
            await lane.exercise()
    finally:
        await lane.stop()
