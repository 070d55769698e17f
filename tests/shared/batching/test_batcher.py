import asyncio

import pytest

from shared.batching import Priority
from shared.errors import DeadlineExceeded, EngineError, NotReady, OutOfMemory, QueueFull
from tests.shared.batching.bench import Bench
from tests.shared.fake_device import FakeLane
from tests.shared.virtual_time import simulate


def test_one_client_never_waits_for_company():
    async def main(loop):
        bench = Bench(loop)
        begun = loop.time()
        for number in range(20):
            await bench.submit(number)
        return loop.time() - begun

    assert simulate(main) == pytest.approx(20 * 0.009)


def test_items_that_arrive_together_share_a_batch():
    async def main(loop):
        bench = Bench(loop)
        await bench.outcomes([bench.submit(tag) for tag in "abc"])
        return bench.lane.batches

    assert [tags for _, tags, _, _ in simulate(main)] == [["a", "b", "c"]]


def test_members_are_chosen_when_the_lane_frees():
    async def main(loop):
        bench = Bench(loop)
        first = bench.submit("first")
        await asyncio.sleep(0.005)
        rest = [bench.submit("second")]
        await asyncio.sleep(0.003)
        rest.append(bench.submit("urgent", within_s=0.5))
        await bench.outcomes([first, *rest])
        return bench.lane.started_tags

    assert simulate(main) == ["first", "urgent", "second"]


def test_different_keys_never_share_a_batch():
    async def main(loop):
        bench = Bench(loop)
        await bench.outcomes([bench.submit(n, key="ab"[n % 2]) for n in range(6)])
        return bench.lane.batches

    assert [(key, tags) for key, tags, _, _ in simulate(main)] == [
        ("a", [0, 2, 4]),
        ("b", [1, 3, 5]),
    ]


def test_weight_of_a_batch_stays_within_the_budget():
    async def main(loop):
        bench = Bench(loop, max_weight=10.0)
        weights = [6, 5, 4, 25, 3]
        await bench.outcomes([bench.submit(n, weight=w) for n, w in enumerate(weights)])
        return sorted(weight for _, _, weight, _ in bench.lane.batches)

    assert simulate(main) == [8, 10, 25]


def test_idle_batcher_has_no_timer():
    async def main(loop):
        bench = Bench(loop)
        await bench.submit("a")
        await asyncio.sleep(0)
        return loop.timers

    assert simulate(main) == []


def test_item_whose_own_run_fails_leaves_the_others():
    async def main(loop):
        bench = Bench(loop)
        kinds = ["good", "bad", "good"]
        return await bench.outcomes([bench.submit(n, kind=kind) for n, kind in enumerate(kinds)])

    outcomes = simulate(main)
    assert outcomes[0] == ("k", 0)
    assert isinstance(outcomes[1], EngineError)
    assert outcomes[2] == ("k", 2)


def test_batch_that_fails_as_a_whole_is_bisected():
    async def main(loop):
        bench = Bench(loop)
        kinds = ["good"] * 5 + ["poison"] + ["good"] * 2
        tasks = [bench.submit(n, kind=kind) for n, kind in enumerate(kinds)]
        return await bench.outcomes(tasks), len(bench.lane.batches), bench.lost

    outcomes, calls, lost = simulate(main)
    assert [n for n, outcome in enumerate(outcomes) if isinstance(outcome, EngineError)] == [5]
    assert calls == 7  # 8, then 4+4, 2+2, 1+1
    assert lost == []


def test_failed_batch_is_not_run_again_for_a_stateful_engine():
    async def main(loop):
        bench = Bench(loop, isolate_failures=False)
        tasks = [bench.submit(0), bench.submit(1, kind="poison")]
        outcomes = await bench.outcomes(tasks)
        return outcomes, len(bench.lane.batches), await bench.submit(2)

    outcomes, calls, later = simulate(main)
    assert all(isinstance(outcome, EngineError) for outcome in outcomes)
    assert (calls, later) == (1, ("k", 2))


def test_out_of_memory_halves_answers_all_and_learns_the_cap():
    async def main(loop):
        bench = Bench(loop, FakeLane(memory_weight=5))
        first = await bench.outcomes([bench.submit(n) for n in range(8)])
        calls = len(bench.lane.batches)
        again = await bench.outcomes([bench.submit(n) for n in range(8)])
        weights = [weight for _, _, weight, _ in bench.lane.batches[calls:]]
        return first + again, weights

    outcomes, weights = simulate(main)
    assert outcomes == [("k", n) for n in range(8)] * 2
    assert max(weights) <= 0.8 * 8


def test_item_that_does_not_fit_alone_gets_its_own_error():
    async def main(loop):
        bench = Bench(loop, FakeLane(memory_weight=5))
        return await bench.outcomes([bench.submit(0), bench.submit(1, weight=6.0)])

    outcomes = simulate(main)
    assert outcomes[0] == ("k", 0)
    assert isinstance(outcomes[1], OutOfMemory)


def test_sticky_device_error_takes_the_lane_out():
    async def main(loop):
        bench = Bench(loop)
        failed = await bench.outcomes([bench.submit(0), bench.submit(1, kind="sticky")])
        waiting = bench.submit(2)
        await asyncio.sleep(1)
        calls = len(bench.lane.batches)
        bench.batcher.add_lane(FakeLane())
        return failed, calls, await waiting, bench.lost[0][1].code

    failed, calls, later, code = simulate(main)
    assert [type(error).__name__ for error in failed] == ["FatalEngineError"] * 2
    assert (calls, later, code) == (1, ("k", 2), "engine_fatal")


def test_hung_lane_is_reported_and_its_items_are_504():
    async def main(loop):
        bench = Bench(loop)
        [outcome] = await bench.outcomes([bench.submit(0, kind="hang")])
        return outcome, bench.lost

    outcome, lost = simulate(main)
    assert outcome.status == 504
    assert len(lost) == 1


def test_wrong_number_of_results_is_an_error_never_a_shift():
    async def main(loop):
        bench = Bench(loop, FakeLane(short_by=1))
        return await bench.outcomes([bench.submit(n) for n in range(4)])

    assert all(isinstance(outcome, EngineError) for outcome in simulate(main))


def test_expired_item_is_never_started():
    async def main(loop):
        bench = Bench(loop, FakeLane(fixed_s=1.0))
        first = bench.submit("first")
        await asyncio.sleep(0.1)
        late = bench.submit("late", within_s=0.5)
        outcomes = await bench.outcomes([first, late])
        return outcomes, bench.lane.started_tags, bench.count("gantry_shed_total", reason="expired")

    outcomes, started, expired = simulate(main)
    assert isinstance(outcomes[1], DeadlineExceeded)
    assert (started, expired) == (["first"], 1.0)


def test_abandoned_items_are_never_started_and_others_are_answered():
    async def main(loop):
        bench = Bench(loop)
        running = bench.submit("running")
        await asyncio.sleep(0.001)
        tasks = [bench.submit(n) for n in range(8)]
        await asyncio.sleep(0.001)
        for task in tasks[::2]:
            task.cancel()
        outcomes = await bench.outcomes([running, *tasks[1::2]])
        return outcomes, bench.lane.started_tags

    outcomes, started = simulate(main)
    assert outcomes == [("k", "running"), *(("k", n) for n in (1, 3, 5, 7))]
    assert started == ["running", 1, 3, 5, 7]


def test_caller_that_leaves_a_running_batch_does_not_hurt_the_others():
    async def main(loop):
        bench = Bench(loop)
        tasks = [bench.submit(n) for n in range(6)]
        await asyncio.sleep(0.002)
        tasks[2].cancel()
        return await bench.outcomes(tasks[:2] + tasks[3:])

    assert simulate(main) == [("k", n) for n in (0, 1, 3, 4, 5)]


def test_full_queue_refuses_new_work_with_a_time_to_retry():
    async def main(loop):
        bench = Bench(loop, max_queue_items=4, max_batch_size=1)
        tasks = [bench.submit(n) for n in range(6)]
        outcomes = await bench.outcomes(tasks)
        return [each for each in outcomes if isinstance(each, QueueFull)]

    refused = simulate(main)
    assert len(refused) == 2
    assert all(each.retry_after_s > 0 for each in refused)


def test_queue_is_bounded_by_bytes():
    async def main(loop):
        bench = Bench(loop, max_queue_bytes=100, max_batch_size=1)
        tasks = [bench.submit(n, size_bytes=60) for n in range(3)]
        return await bench.outcomes(tasks)

    assert [isinstance(each, QueueFull) for each in simulate(main)] == [False, True, True]


def test_item_that_would_wait_past_its_deadline_is_refused_at_once():
    async def main(loop):
        bench = Bench(loop, max_batch_size=1)
        for number in range(6):
            await bench.submit(number)
        for number in range(50):
            bench.submit(number)
        await asyncio.sleep(0)
        before = loop.time()
        [outcome] = await bench.outcomes([bench.submit("late", within_s=0.1)])
        return outcome, loop.time() - before

    outcome, waited_s = simulate(main)
    assert isinstance(outcome, QueueFull)
    assert outcome.retry_after_s == pytest.approx(51 * 0.009, rel=0.1)
    assert waited_s < 0.01


def test_bulk_work_gets_its_share_and_no_more():
    async def main(loop):
        bench = Bench(loop, max_batch_size=1, max_queue_items=1000)
        bulk = [bench.submit(("bulk", n), priority=Priority.BULK) for n in range(40)]
        photos = [bench.submit(("photo", n)) for n in range(80)]
        await bench.outcomes(bulk + photos)
        return [kind for kind, _ in bench.lane.started_tags]

    kinds = simulate(main)
    assert kinds[:81].count("bulk") in (9, 10)


def test_draining_answers_what_was_accepted_and_refuses_the_rest():
    async def main(loop):
        bench = Bench(loop, max_batch_size=1)
        accepted = [bench.submit(n) for n in range(5)]
        await asyncio.sleep(0)
        drain = asyncio.ensure_future(bench.batcher.drain())
        await asyncio.sleep(0)
        late = bench.submit("late")
        await drain
        return await bench.outcomes([*accepted, late])

    outcomes = simulate(main)
    assert outcomes[:5] == [("k", n) for n in range(5)]
    assert isinstance(outcomes[5], NotReady)


def test_removed_lane_finishes_its_batch_and_gets_no_other():
    async def main(loop):
        bench = Bench(loop, max_batch_size=1)
        first, second = bench.submit(1), bench.submit(2)
        await asyncio.sleep(0.001)
        await bench.batcher.remove_lane(bench.lane)
        fresh = FakeLane()
        bench.batcher.add_lane(fresh)
        await bench.outcomes([first, second])
        return bench.lane.started_tags, fresh.started_tags

    assert simulate(main) == ([1], [2])
