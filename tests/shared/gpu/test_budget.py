"""Engines of several services on one device that has room for some of them."""

import asyncio
import threading
import time

import pytest
from prometheus_client import CollectorRegistry

from shared.batching import BatchLimits
from shared.context import RequestContext, entered
from shared.engine import EngineInfo
from shared.errors import FatalEngineError, OutOfMemory
from shared.gpu.budget import BudgetedLane, BudgetLimits, MemoryBudget
from shared.gpu.ledger import DeviceMemoryFull, MemoryLedger, Share
from shared.host import EngineHost
from shared.host_policy import HostPolicy, Phase
from shared.metrics import EngineMetrics
from tests.shared.gpu.fakes import GIB, FakeMonitor


class DeviceLane:
    """Takes memory of a fake device while it is loaded; its process id is its number."""

    numbers = iter(range(10_000))

    def __init__(self, monitor, size, outcomes=None):
        self.monitor, self.size = monitor, size
        self.outcomes = [] if outcomes is None else outcomes  # of the next starts
        self.go = asyncio.Event()
        self.go.set()
        self.is_alive, self.pid, self.memory_bytes = False, None, None

    def clone(self):
        clone = DeviceLane(self.monitor, self.size, self.outcomes)
        clone.go = self.go
        return clone

    async def start(self):
        outcome = self.outcomes.pop(0) if self.outcomes else EngineInfo("m", "cuda:0")
        if isinstance(outcome, Exception):
            raise outcome
        await self.go.wait()
        self.pid, self.is_alive = next(self.numbers), True
        if outcome.device != "cpu":
            free = self.monitor.snapshot().free_bytes
            if free < self.size:
                raise OutOfMemory("CUDA out of memory")
            self.monitor.by_pid[self.pid] = self.size
        return outcome

    async def run(self, key, payloads):
        if "die" in payloads:
            self.is_alive = False
            raise FatalEngineError("gone")
        return payloads

    async def clean_up(self):
        pass

    async def stop(self):
        self.monitor.by_pid.pop(self.pid, None)
        self.is_alive = False


class Machine:
    """A GPU of 10 GiB and the services on it."""

    def __init__(self, folder):
        self.folder, self.now_s = folder, 1000.0
        self.monitor = FakeMonitor(total_bytes=10 * GIB)
        self.hosts, self.ledgers = [], []

    def budget(self, service, **limits):
        # A process each, as far as the account can tell.
        self.ledgers.append(
            MemoryLedger(self.folder, "GPU-1", idle_after_s=30, clock=lambda: self.now_s)
        )
        quick = {"look_every_s": 0.01, "note_every_s": 0.01, "wait_s": 20.0, **limits}
        return MemoryBudget(
            self.ledgers[-1], self.monitor, service=service, limits=BudgetLimits(**quick)
        )

    def lane(self, service, size, outcomes=None, **limits):
        inner = DeviceLane(self.monitor, size, outcomes)
        return BudgetedLane(inner, self.budget(service, **limits), "model", device="cuda"), inner

    def host(self, service, size, outcomes=None, *, policy=None, cpu_lane=None, **limits):
        lane, inner = self.lane(service, size, outcomes, **limits)
        host = EngineHost(
            lane,
            BatchLimits(),
            metrics=EngineMetrics(CollectorRegistry()),
            name=service,
            policy=policy,
            cpu_lane=cpu_lane,
        )
        self.hosts.append(host)
        return host, inner

    def shares(self):
        return {each.service: each for each in self.ledgers[0].shares()}


@pytest.fixture
async def machine(tmp_path):
    machine = Machine(tmp_path)
    yield machine
    for each in machine.hosts:
        await each.stop()
    for each in machine.ledgers:
        each.close()


async def loaded(host):
    host.start()
    await host.settled()
    return host


async def ask(host, payload):
    with entered(RequestContext("id", time.monotonic() + 60)):
        return await host.run(payload)


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - of files and tasks that offer no event
            await asyncio.sleep(0.005)


def remember(machine, service, size):
    """Let the account know a model's footprint from an earlier load."""
    ledger = MemoryLedger(machine.folder, "GPU-1")
    share = Share("earlier", ledger.holder, service, "model", size)
    ledger.release(ledger.settle(share, size))
    ledger.close()


async def test_share_that_comes_when_its_load_was_broken_off_is_given_back(machine):
    budget, snapshot = machine.budget("a"), machine.monitor.snapshot
    asked, may_answer = threading.Event(), threading.Event()

    def slow_snapshot():
        asked.set()
        may_answer.wait(30)
        return snapshot()

    machine.monitor.snapshot = slow_snapshot
    loading = asyncio.ensure_future(budget.reserve("model", None))
    await asyncio.to_thread(asked.wait, 30)
    loading.cancel()
    asyncio.get_running_loop().call_soon(may_answer.set)
    await asyncio.wait([loading])
    await asyncio.get_running_loop().shutdown_default_executor()

    assert loading.cancelled()
    assert machine.shares() == {}


async def test_loaded_engine_is_entered_with_what_its_process_holds(machine):
    host, _ = machine.host("a", 2 * GIB)

    await loaded(host)

    share = machine.shares()["a"]
    assert (share.size_bytes, share.is_loaded) == (round(2 * GIB * 1.2), True)
    assert host.share_bytes == share.size_bytes


async def test_engine_whose_process_the_driver_does_not_name_is_measured_by_the_rise(machine):
    lane, inner = machine.lane("a", 3 * GIB)
    machine.monitor.process_bytes = lambda pid: None
    machine.monitor.used_bytes = GIB

    await lane.start()

    assert lane.share_bytes == round(3 * GIB * 1.2)
    await lane.stop()
    assert machine.shares() == {}


async def test_unmeasured_engines_load_one_after_the_other(machine):
    first, inner = machine.host("a", 4 * GIB)
    second, _ = machine.host("b", 4 * GIB)
    inner.go.clear()
    first.start()
    await until(lambda: "a" in machine.shares())
    second.start()
    await until(lambda: second.reason is not None)
    waiting = (second.phase, second.reason)

    inner.go.set()
    await second.settled()

    assert waiting[0] is Phase.LOADING
    assert "waits for the device's memory" in waiting[1]
    assert (first.phase, second.phase, second.reason) == (Phase.READY, Phase.READY, None)


async def test_idle_engine_makes_room_and_comes_back_with_its_next_request(machine):
    first = await loaded(machine.host("a", 6 * GIB)[0])
    second, _ = machine.host("b", 6 * GIB)
    remember(machine, "b", 6 * GIB)
    machine.now_s += 100

    await loaded(second)
    phases = (first.phase, second.phase)
    machine.now_s += 100

    assert phases == (Phase.UNLOADED, Phase.READY)
    assert await ask(first, 1) == 1
    assert second.phase is Phase.UNLOADED


async def test_load_that_finds_no_room_in_time_fails_with_the_reason_and_harms_nobody(machine):
    first = await loaded(machine.host("a", 9 * GIB)[0])
    second, inner = machine.host("b", 6 * GIB, wait_s=0.05)

    await loaded(second)

    assert second.phase is Phase.FAILED
    assert "does not fit the device's memory" in second.reason
    assert not inner.is_alive
    assert await ask(first, 1) == 1


async def test_load_that_finds_no_room_takes_the_cpu_where_that_is_allowed(machine):
    await loaded(machine.host("a", 9 * GIB)[0])
    cpu = DeviceLane(machine.monitor, 0, [EngineInfo("m", "cpu")] * 9)
    policy = HostPolicy(attempts_before_fallback=1)
    second, _ = machine.host("b", 6 * GIB, wait_s=0.0, policy=policy, cpu_lane=cpu)

    second.start()
    await until(lambda: second.is_ready)

    assert second.phase is Phase.DEGRADED
    assert "does not fit" in second.reason


async def test_engine_that_fell_back_to_the_cpu_gives_its_share_back(machine):
    host, _ = machine.host("a", 4 * GIB, [EngineInfo("m", "cpu", fallback_reason="no CUDA")])

    await loaded(host)

    assert machine.shares() == {}


async def test_engine_that_ran_out_of_memory_while_loading_asks_for_more_the_next_time(machine):
    machine.monitor.used_bytes = 5 * GIB
    lane, _ = machine.lane("a", 4 * GIB, [OutOfMemory("too big")])
    with pytest.raises(OutOfMemory):
        await lane.start()

    with pytest.raises(DeviceMemoryFull, match=r"needs 7\.05 GiB, 4\.70 are left"):
        await machine.lane("a", 4 * GIB, wait_s=0.0)[0].start()


async def test_engine_that_took_more_than_was_left_for_it_is_unloaded_again(machine):
    await loaded(machine.host("a", 7 * GIB)[0])  # with headroom, 1.3 GiB are left
    lane, inner = machine.lane("b", 2 * GIB)

    with pytest.raises(DeviceMemoryFull, match=r"took 2\.00 GiB .* 1\.30 were left"):
        await lane.start()

    assert not inner.is_alive
    assert list(machine.shares()) == ["a"]


async def test_lost_engine_gives_its_share_back_before_the_next_is_loaded(machine):
    host = await loaded(machine.host("a", 6 * GIB)[0])

    with pytest.raises(FatalEngineError):
        await ask(host, "die")

    assert await ask(host, 1) == 1
    assert len(machine.shares()) == 1


async def test_engine_is_recycled_beside_the_old_one_where_there_is_room(machine):
    host = await loaded(machine.host("a", 3 * GIB)[0])

    await host.recycle("test")

    assert host.phase is Phase.READY
    assert await ask(host, 1) == 1


async def test_engine_is_recycled_in_place_where_there_is_room_for_one(machine):
    host, inner = machine.host("a", 7 * GIB, wait_s=0.02)
    await loaded(host)
    inner.go.clear()
    await host.recycle("test")
    waiting = asyncio.ensure_future(ask(host, 1))

    inner.go.set()

    assert await waiting == 1
    assert host.phase is Phase.READY


async def test_working_engine_is_not_idle(machine):
    host = await loaded(machine.host("a", 7 * GIB)[0])
    machine.now_s += 100

    await ask(host, 1)

    await until(lambda: machine.shares()["a"].used_at_s == machine.now_s)


async def test_growth_of_a_working_engine_is_entered(machine):
    host = await loaded(machine.host("a", 4 * GIB)[0])
    [pid] = machine.monitor.by_pid
    machine.monitor.by_pid[pid] = 7 * GIB

    await ask(host, 1)

    await until(lambda: host.share_bytes == 7 * GIB)


async def test_random_loads_never_take_more_than_the_device_has(machine):
    hosts = [machine.host(name, size * GIB, wait_s=0.05)[0] for name, size in
             (("a", 2), ("b", 3), ("c", 4), ("d", 5))]  # fmt: skip

    for number in range(36):
        machine.now_s += 40
        for host in hosts[number % 3 :]:
            if not host.is_ready:
                await host.unload()  # one that has failed pauses before it tries again
                host.start()
        await asyncio.gather(*(host.settled() for host in hosts))
        assert sum(each.size_bytes for each in machine.ledgers[0].shares()) <= 10 * GIB
        assert machine.monitor.snapshot().used_bytes <= 10 * GIB
        await hosts[number % 4].unload()

    assert any(host.is_ready for host in hosts)
