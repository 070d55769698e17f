"""The engine host in virtual time, with engines that fail on command."""

import asyncio
import time

import pytest

from shared.batching import Item, ItemTrace
from shared.context import RequestContext, entered
from shared.engine import EngineInfo
from shared.errors import EngineError, FatalEngineError, ModelMissing, NotReady
from shared.host_policy import HostPolicy, Phase
from tests.shared.scripted_host import Script, ScriptedLane, ask, host_of, ready_host
from tests.shared.virtual_time import simulate


def test_work_is_refused_while_loading_and_done_when_ready():
    async def main(loop):
        host = host_of(Script())
        host.start()
        with pytest.raises(NotReady):
            await ask(host, 1)
        await host.settled()
        return host.phase, await ask(host, 1)

    assert simulate(main) == (Phase.READY, (0, 1))


def test_missing_model_is_named_and_not_tried_again():
    async def main(loop):
        script = Script(starts=[ModelMissing("model.bin is missing; run `make models`")])
        host = await ready_host(script)
        await asyncio.sleep(3600)
        with pytest.raises(ModelMissing, match="model.bin is missing"):
            await ask(host, 1)
        return host.phase, host.reason, len(script.started)

    assert simulate(main) == (Phase.FAILED, "model.bin is missing; run `make models`", 1)


def test_start_of_a_ready_engine_leaves_it_ready():
    async def main(loop):
        script = Script()
        host = await ready_host(script)
        host.start()
        at_once = host.phase
        await asyncio.sleep(5)
        return at_once, host.phase, len(script.started)

    assert simulate(main) == (Phase.READY, Phase.READY, 1)


def test_failed_load_is_tried_again():
    async def main(loop):
        host = await ready_host(Script(starts=[EngineError("no"), EngineInfo("m", "cpu")]))
        failed = host.phase
        await asyncio.sleep(5)
        return failed, host.phase, await ask(host, 1)

    assert simulate(main) == (Phase.FAILED, Phase.READY, (1, 1))


def test_lost_engine_is_replaced_while_others_wait_in_the_queue():
    async def main(loop):
        host = await ready_host(Script())
        dying = asyncio.ensure_future(ask(host, "die"))
        await asyncio.sleep(0.05)
        waiting = asyncio.ensure_future(ask(host, 2))
        with pytest.raises(FatalEngineError):
            await dying
        phase = host.phase
        return phase, await waiting, host.phase

    assert simulate(main) == (Phase.LOADING, (1, 2), Phase.READY)


def test_unloading_while_the_engine_starts_stops_it():
    async def main(loop):
        script = Script()
        host = host_of(script)
        host.start()
        await asyncio.sleep(0.2)
        await host.unload()
        return host.phase, script.stopped

    assert simulate(main) == (Phase.UNLOADED, 1)


def test_gpu_that_does_not_start_falls_back_to_the_cpu_and_returns():
    async def main(loop):
        broken = FatalEngineError("the device failed")
        gpu = Script(starts=[broken, broken, broken, EngineInfo("m", "cuda:0")])
        cpu = Script(starts=[EngineInfo("m", "cpu")])
        host = host_of(gpu, cpu_lane=ScriptedLane(cpu), policy=HostPolicy(gpu_retry_s=60))
        host.start()
        await asyncio.sleep(10)
        fallen = (host.phase, host.reason, host.info.device)
        await asyncio.sleep(200)
        return fallen, (host.phase, host.reason, host.info.device), cpu.stopped

    fallen, back, stopped = simulate(main)
    assert fallen == (Phase.DEGRADED, "the device failed", "cpu")
    assert back == (Phase.READY, None, "cuda:0")
    assert stopped == 1


def test_engine_that_was_unloaded_does_not_return_to_the_gpu():
    async def main(loop):
        broken = FatalEngineError("the device failed")
        gpu = Script(starts=[broken, broken, EngineInfo("m", "cuda:0")])
        cpu = Script(starts=[EngineInfo("m", "cpu")])
        host = host_of(gpu, cpu_lane=ScriptedLane(cpu), policy=HostPolicy(gpu_retry_s=60))
        host.start()
        await asyncio.sleep(10)
        await host.unload()
        await asyncio.sleep(200)
        return host.phase, len(gpu.started)

    assert simulate(main) == (Phase.UNLOADED, 2)


def test_engine_that_falls_back_by_itself_is_not_loaded_again_and_again():
    async def main(loop):
        script = Script(starts=[EngineInfo("m", "cpu", fallback_reason="no build for GPUs")])
        host = await ready_host(
            script, cpu_lane=ScriptedLane(Script()), policy=HostPolicy(gpu_retry_s=60)
        )
        await asyncio.sleep(200)
        return host.phase, host.reason, len(script.started)

    assert simulate(main) == (Phase.DEGRADED, "no build for GPUs", 1)


def test_gpu_that_is_gone_for_good_does_not_move_the_engine_from_cpu_to_cpu():
    async def main(loop):
        broken, gone = FatalEngineError("lost"), EngineInfo("m", "cpu", fallback_reason="no GPU")
        gpu, cpu = Script(starts=[broken, broken, gone]), Script(starts=[EngineInfo("m", "cpu")])
        host = host_of(gpu, cpu_lane=ScriptedLane(cpu), policy=HostPolicy(gpu_retry_s=60))
        host.start()
        await asyncio.sleep(200)
        state = (host.phase, host.reason, cpu.stopped)
        await host.stop()
        return state

    assert simulate(main) == (Phase.DEGRADED, "lost", 0)


def test_idle_engine_is_unloaded_and_wakes_for_the_next_request():
    async def main(loop):
        script = Script()
        host = await ready_host(script, policy=HostPolicy(idle_unload_s=30))
        await asyncio.sleep(100)
        idle = (host.phase, script.stopped)
        answer, phase = await ask(host, 1), host.phase
        await host.stop()
        return idle, answer, phase

    assert simulate(main) == ((Phase.UNLOADED, 1), (1, 1), Phase.READY)


def test_all_requests_that_meet_an_idle_engine_asleep_are_answered():
    async def main(loop):
        host = await ready_host(Script(), policy=HostPolicy(idle_unload_s=30))
        await asyncio.sleep(100)
        asleep = (host.phase, host.is_ready, host.takes_work)
        answers = await asyncio.gather(*(ask(host, number) for number in range(5)))
        await host.stop()
        return asleep, answers

    asleep, answers = simulate(main)
    assert asleep == (Phase.UNLOADED, False, True)
    assert answers == [(1, number) for number in range(5)]


def test_request_that_does_not_wait_wakes_an_idle_engine_too():
    async def main(loop):
        host = await ready_host(Script(), policy=HostPolicy(idle_unload_s=30))
        await host.unload()
        outcome = loop.create_future()
        host.enqueue(Item("late", (), time.monotonic() + 60), outcome)
        answer = await outcome
        await host.stop()
        return answer

    assert simulate(main) == (1, "late")


def test_engine_that_wakes_at_once_is_loaded_when_the_old_one_is_gone():
    async def main(loop):
        script = Script(stop_s=1.0)
        host = await ready_host(script)
        gives_up = host.give_up_if_idle()
        return gives_up, await ask(host, 1), script.alive_at_starts

    assert simulate(main) == (True, (1, 1), [0, 0])


def test_two_lanes_run_side_by_side():
    async def main(loop):
        host = host_of(Script(), policy=HostPolicy(lanes=2))
        host.start()
        await asyncio.sleep(5)
        first = asyncio.ensure_future(ask(host, 1))
        await asyncio.sleep(0.01)
        second = asyncio.ensure_future(ask(host, 2))
        return {(await first)[0], (await second)[0]}

    assert simulate(main) == {0, 1}


def test_stopping_answers_what_was_accepted():
    async def main(loop):
        script = Script()
        host = await ready_host(script)
        accepted = asyncio.ensure_future(ask(host, 1))
        await asyncio.sleep(0.01)
        await host.stop()
        with pytest.raises(NotReady):
            await ask(host, 2)
        return await accepted, script.stopped

    assert simulate(main) == ((0, 1), 1)


def test_route_learns_what_the_loaded_engine_is_or_why_it_is_not():
    async def main(loop):
        host = host_of(Script())
        host.start()
        with entered(RequestContext("id", time.monotonic() + 1e6)):
            with pytest.raises(NotReady, match="loading"):
                await host.loaded_info()
            await host.settled()
            return (await host.loaded_info()).model

    assert simulate(main) == "m"


def test_request_with_several_items_in_a_batch_counts_its_time_once():
    async def main(loop):
        host = await ready_host(Script())
        context = RequestContext("id", time.monotonic() + 1e6)
        traces = [ItemTrace(), ItemTrace()]
        with entered(context):
            await asyncio.gather(*(host.run(1, trace=each) for each in traces))
        return [each.batch_items for each in traces], traces[0], context.timings_ms["inference"]

    items, trace, inference_ms = simulate(main)
    assert items == [2, 2]
    assert inference_ms == pytest.approx(trace.inference_ms)


@pytest.mark.parametrize(("probed", "expected"), [(1, 1), (None, 4), (100, 4)])
def test_engine_whose_probe_found_that_batching_does_not_pay_gets_smaller_ones(probed, expected):
    async def main(loop):
        script = Script(starts=[EngineInfo("m", "cpu", max_batch_size=probed)])
        host = await ready_host(script)
        traces = [ItemTrace() for _ in range(4)]
        with entered(RequestContext("id", time.monotonic() + 1e6)):
            await asyncio.gather(*(host.run(1, trace=each) for each in traces))
        return max(each.batch_items for each in traces)

    assert simulate(main) == expected
