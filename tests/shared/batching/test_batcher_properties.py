"""Random arrivals, faults and departures: what must hold whatever happens."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from shared.batching import BatchLimits, DynamicBatcher, Item, Priority
from shared.errors import GantryError
from shared.metrics import EngineMetrics
from tests.shared.fake_device import FakeLane
from tests.shared.virtual_time import simulate

MAX_WEIGHT = 12.0

arrivals = st.lists(
    st.fixed_dictionaries(
        {
            "after_s": st.sampled_from([0.0, 0.0, 0.001, 0.02]),
            "weight": st.sampled_from([1.0, 2.0, 5.0, 20.0]),
            "kind": st.sampled_from(["good"] * 6 + ["bad", "poison", "hang", "sticky"]),
            "key": st.sampled_from(["a", "b"]),
            "within_s": st.sampled_from([0.01, 0.1, 60.0]),
            "leaves_after_s": st.sampled_from([None, None, None, 0.0, 0.005]),
            "priority": st.sampled_from(list(Priority)),
        }
    ),
    max_size=40,
)


class Run:
    """One simulated history."""

    def __init__(self, plan, memory_weight):
        self.plan, self.memory_weight = plan, memory_weight
        self.lanes, self.outcomes, self.left = [], {}, set()

    async def __call__(self, loop):
        self.loop = loop
        limits = BatchLimits(max_batch_size=4, max_weight=MAX_WEIGHT, max_queue_items=16)
        self.batcher = DynamicBatcher(
            limits,
            metrics=EngineMetrics(CollectorRegistry()),
            clock=loop.time,
            on_lane_lost=self.replace,
        )
        self.batcher.open()
        self.replace()
        tasks = []
        for tag, step in enumerate(self.plan):
            await asyncio.sleep(step["after_s"])
            tasks.append(asyncio.ensure_future(self.client(tag, step)))
        await asyncio.gather(*tasks)
        await self.batcher.drain()
        return loop.timers

    def replace(self, *_):
        self.lanes.append(FakeLane(memory_weight=self.memory_weight))
        self.batcher.add_lane(self.lanes[-1])

    async def client(self, tag, step):
        payload = (tag, step["weight"], step["kind"])
        deadline = self.loop.time() + step["within_s"]
        item = Item(payload, step["key"], deadline, step["weight"], step["priority"])
        call = asyncio.ensure_future(self.batcher.submit(item))
        await asyncio.wait({call}, timeout=step["leaves_after_s"])
        if not call.done():
            call.cancel()
            await asyncio.wait({call})
            self.left.add(tag)
            return
        assert tag not in self.outcomes
        self.outcomes[tag] = call.exception() or call.result()


@settings(max_examples=100, deadline=None)
@given(plan=arrivals, memory_weight=st.sampled_from([float("inf"), 6.0]))
def test_every_item_gets_exactly_its_own_outcome(plan, memory_weight):
    run = Run(plan, memory_weight)
    timers = simulate(run)

    assert set(run.outcomes) | run.left == set(range(len(plan)))
    for tag, outcome in run.outcomes.items():
        if isinstance(outcome, tuple):
            assert outcome == (plan[tag]["key"], tag)
            assert plan[tag]["kind"] == "good"
        else:
            assert isinstance(outcome, GantryError)
    assert timers == []


@settings(max_examples=100, deadline=None)
@given(plan=arrivals, memory_weight=st.sampled_from([float("inf"), 6.0]))
def test_batches_keep_their_bounds_and_never_hold_expired_items(plan, memory_weight):
    run = Run(plan, memory_weight)
    begun = {}
    simulate(run)

    for lane in run.lanes:
        for key, tags, weight, start in lane.batches:
            assert len(tags) <= 4
            assert len(tags) == 1 or weight <= MAX_WEIGHT
            assert all(plan[tag]["key"] == key for tag in tags)
            for tag in tags:
                begun.setdefault(tag, start)
    arrival = 1000.0
    for tag, step in enumerate(plan):
        arrival += step["after_s"]
        if tag in begun:
            assert begun[tag] < arrival + step["within_s"] + 1e-9


@settings(max_examples=60, deadline=None)
@given(plan=arrivals)
def test_without_faults_and_departures_only_time_and_room_refuse_items(plan):
    calm = [{**step, "kind": "good", "leaves_after_s": None, "within_s": 1e6} for step in plan]
    run = Run(calm, float("inf"))
    simulate(run)

    codes = {outcome.code for outcome in run.outcomes.values() if isinstance(outcome, GantryError)}
    assert codes <= {"queue_full"}


def calm(plan, kinds):
    """The same arrivals with time enough, nobody leaving, and no faults but ``kinds``."""
    return [
        {
            **step,
            "kind": step["kind"] if step["kind"] in kinds else "good",
            "leaves_after_s": None,
            "within_s": 1e6,
        }
        for step in plan
    ]


@settings(max_examples=60, deadline=None)
@given(plan=arrivals)
def test_bad_item_never_fails_another(plan):
    run = Run(calm(plan, {"bad", "poison"}), float("inf"))
    simulate(run)

    for tag, outcome in run.outcomes.items():
        if run.plan[tag]["kind"] == "good" and isinstance(outcome, GantryError):
            assert outcome.code == "queue_full"


@settings(max_examples=60, deadline=None)
@given(weights=st.lists(st.sampled_from([1.0, 2.0, 5.0]), min_size=8, max_size=16))
def test_batches_never_reach_a_weight_again_that_did_not_fit(weights):
    step = {"after_s": 0.0, "kind": "good", "key": "a", "within_s": 1e6, "leaves_after_s": None}
    plan = [{**step, "weight": each, "priority": Priority.INTERACTIVE} for each in weights]
    run = Run(plan, memory_weight=6.0)
    simulate(run)

    failed = float("inf")
    for _, tags, weight, _ in run.lanes[0].batches:
        if weight > 6.0 and len(tags) > 1:
            assert weight < failed
            failed = weight
