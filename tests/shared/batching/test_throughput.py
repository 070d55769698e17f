"""How much a batcher gets through, and how long it lets each caller wait, in virtual time."""

import asyncio
import random

import pytest

from shared.batching import Priority, WaitMode
from tests.shared.batching.bench import Bench
from tests.shared.fake_device import FakeLane
from tests.shared.virtual_time import simulate


def throughput(mode, *, clients, fixed_s=0.008, limits=None, back_s=0.0):
    """Requests answered in 20 s of virtual time, and mean latency, with closed-loop clients.

    Each asks again at some moment within ``back_s`` after its answer.
    """

    async def main(loop):
        options = {"wait_mode": mode, "max_batch_size": 64, **(limits or {})}
        bench = Bench(loop, FakeLane(fixed_s=fixed_s), **options)
        latencies = []

        async def client():
            while loop.time() < end:
                begun = loop.time()
                await bench.submit(0)
                latencies.append(loop.time() - begun)
                await asyncio.sleep(chance.uniform(0.0, back_s))

        chance = random.Random(0)
        end = loop.time() + 20
        await asyncio.gather(*(client() for _ in range(clients)))
        return len(latencies), sum(latencies) / len(latencies)

    return simulate(main)


def test_batching_gives_five_times_the_unbatched_throughput_at_32_clients():
    batched, latency = throughput(WaitMode.AUTO, clients=32)
    single, single_latency = throughput(WaitMode.OFF, clients=32, limits={"max_batch_size": 1})

    assert batched >= 5 * single
    assert latency < single_latency


@pytest.mark.parametrize("clients", [1, 2, 3, 4, 8, 16, 32])
def test_waiting_when_it_pays_is_never_worse_than_not_waiting(clients):
    waiting, waiting_latency = throughput(WaitMode.AUTO, clients=clients)
    greedy, greedy_latency = throughput(WaitMode.OFF, clients=clients)

    assert waiting >= 0.99 * greedy
    assert waiting_latency <= 1.01 * greedy_latency


@pytest.mark.parametrize("clients", [2, 4, 8, 16, 32])
def test_clients_that_ask_again_at_once_do_not_split_into_two_groups(clients):
    most = 20 * clients / (0.008 + clients * 0.001 + 0.002)  # one batch a cycle, all clients in it

    answered, _ = throughput(WaitMode.AUTO, clients=clients, back_s=0.002)
    greedy, _ = throughput(WaitMode.OFF, clients=clients, back_s=0.002)

    assert answered >= 0.95 * most
    assert answered >= 1.1 * greedy


def test_fixed_wait_costs_a_lone_client_its_window():
    _, latency = throughput(WaitMode.FIXED, clients=1)

    assert latency == pytest.approx(0.009 + 0.005)


def beside_bulk(**limits):
    """Latencies of a client that asks now and then beside long work, and sizes of all batches.

    A device on which each item costs its own time, as on a CPU.
    """

    async def main(loop):
        bench = Bench(loop, FakeLane(fixed_s=0.01, per_weight_s=0.1), **limits)
        bulk = asyncio.Semaphore(16)
        latencies, running = [], set()

        async def feed():
            for number in range(240):
                await bulk.acquire()
                task = bench.submit(("bulk", number), priority=Priority.BULK)
                running.add(task)
                task.add_done_callback(lambda _: bulk.release())

        feeding = asyncio.ensure_future(feed())
        await asyncio.sleep(5.0)  # alone at first, which shows what batches cost
        while len(latencies) < 12:
            begun = loop.time()
            await bench.submit(("short", len(latencies)))
            latencies.append(loop.time() - begun)
            await asyncio.sleep(0.3)
        await feeding
        await bench.outcomes(running)
        return latencies, [[kind for kind, _ in tags] for _, tags, _, _ in bench.lane.batches]

    return simulate(main)


def test_bulk_work_lengthens_interactive_batches_by_their_own_time_at_most():
    latencies, batches = beside_bulk(max_batch_size=8)

    assert max(latencies[1:]) <= 0.45  # two batches of two: the one before, and its own
    assert all(len(tags) <= 2 for tags in batches if "short" in tags)


def test_bulk_work_fills_batches_before_and_after_interactive_work():
    _, batches = beside_bulk(max_batch_size=8)

    first = next(n for n, tags in enumerate(batches) if "short" in tags)
    last = max(n for n, tags in enumerate(batches) if "short" in tags)
    assert {len(tags) for tags in batches[2:first]} == {8}
    assert 8 in {len(tags) for tags in batches[last + 10 :]}


def test_bulk_work_may_fill_all_batches_where_a_full_one_takes_no_longer():
    async def main(loop):
        bench = Bench(loop, FakeLane(fixed_s=0.1, per_weight_s=0.001), max_batch_size=8)
        for round_of in range(6):  # the first few teach what batches cost
            tasks = [bench.submit(("bulk", n), priority=Priority.BULK) for n in range(2 + round_of)]
            await bench.outcomes([*tasks, bench.submit(("short", 0))])
        return [len(tags) for _, tags, _, _ in bench.lane.batches][-1]

    assert simulate(main) == 8
