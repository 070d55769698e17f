"""Requests of many parts, through a host whose engine and clock are simulated."""

import asyncio

import pytest

from shared.batching import BatchLimits, run_parts
from shared.errors import FatalEngineError, QueueFull
from tests.shared.scripted_host import Script, ask, host_of
from tests.shared.virtual_time import simulate


async def ready_host(**limits):
    script = Script()
    host = host_of(script, limits=BatchLimits(**limits))
    host.start()
    await host.settled()
    return host, script


def test_request_larger_than_a_batch_is_split_and_comes_back_in_order():
    async def main(loop):
        host, script = await ready_host(max_batch_size=8)
        answers = await run_parts(lambda part: ask(host, part), range(20))
        return answers, script.batches

    answers, batches = simulate(main)
    assert answers == [(0, part) for part in range(20)]
    assert max(map(len, batches)) <= 8
    assert len(batches) == 3


def test_parts_that_take_unequal_time_come_back_in_order():
    async def main(loop):
        async def work(part):
            await asyncio.sleep(1 / (part + 1))
            return part

        return await run_parts(work, range(5))

    assert simulate(main) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("at_once", "expected"), [(3, 3), (None, 20)])
def test_no_more_parts_are_worked_on_than_may_be_at_once(at_once, expected):
    async def main(loop):
        working, most = 0, 0

        async def work(part):
            nonlocal working, most
            working += 1
            most = max(most, working)
            await asyncio.sleep(1)
            working -= 1

        await run_parts(work, range(20), at_once=at_once)
        return most

    assert simulate(main) == expected


def test_part_that_fails_ends_the_others_and_its_error_is_the_requests():
    async def main(loop):
        host, script = await ready_host(max_batch_size=1)
        with pytest.raises(FatalEngineError, match="gone"):
            await run_parts(lambda part: ask(host, part), [1, "die", 2, 3])
        await asyncio.sleep(60)
        return script.batches, host.queued_items

    assert simulate(main) == ([[1], ["die"]], 0)


def test_request_of_more_parts_than_the_queue_has_room_for_leaves_none_waiting():
    async def main(loop):
        host, script = await ready_host(max_batch_size=1, max_queue_items=4)
        with pytest.raises(QueueFull):
            await run_parts(lambda part: ask(host, part), range(9))
        await asyncio.sleep(60)
        return script.batches, host.queued_items

    assert simulate(main) == ([[0]], 0)


@pytest.mark.parametrize("at_once", [2, None])
def test_caller_that_leaves_takes_all_parts_along(at_once):
    async def main(loop):
        host, script = await ready_host(max_batch_size=1)
        parts = run_parts(lambda part: ask(host, part), range(9), at_once=at_once)
        request = asyncio.ensure_future(parts)
        await asyncio.sleep(0.05)
        request.cancel()
        await asyncio.wait({request})
        await asyncio.sleep(60)
        return request.cancelled(), script.batches, host.queued_items

    assert simulate(main) == (True, [[0]], 0)
