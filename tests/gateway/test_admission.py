import asyncio

import pytest

from gateway.adaptive_limit import AdaptiveLimit
from gateway.admission import Admission, AdmissionLimits, Priority
from shared.errors import QueueFull
from tests.shared.virtual_time import simulate


class Requests:
    """Requests that stay in their slot until they are released, in the order of their entry."""

    def __init__(self, admission):
        self.admission = admission
        self.entered = []
        self.release = {}
        self.tasks = {}

    def begin(self, name, priority=Priority.INTERACTIVE, remaining_s=60.0):
        self.release[name] = asyncio.Event()
        self.tasks[name] = asyncio.ensure_future(self._run(name, priority, remaining_s))

    async def _run(self, name, priority, remaining_s):
        async with self.admission.slot("ocr", priority, remaining_s) as slot:
            self.entered.append(name)
            await self.release[name].wait()
            slot.went_well = True

    async def end(self, name):
        self.release[name].set()
        await self.tasks[name]
        await asyncio.sleep(0)  # lets those in that were woken


@pytest.fixture
def one_at_a_time():
    admission = Admission(AdmissionLimits(max_wait_s=60, max_waiting=4))
    admission._lanes["ocr"].limit = AdaptiveLimit(value=1, floor=1, ceiling=1)
    return Requests(admission)


async def settle():
    for _ in range(3):
        await asyncio.sleep(0)


async def test_next_request_enters_when_a_place_becomes_free(one_at_a_time):
    one_at_a_time.begin("a")
    one_at_a_time.begin("b")
    await settle()
    assert one_at_a_time.entered == ["a"]

    await one_at_a_time.end("a")

    assert one_at_a_time.entered == ["a", "b"]
    await one_at_a_time.end("b")


async def test_interactive_request_overtakes_bulk_ones(one_at_a_time):
    one_at_a_time.begin("a")
    one_at_a_time.begin("bulk", Priority.BULK)
    one_at_a_time.begin("quick")
    await settle()

    for name in ("a", "quick", "bulk"):
        await one_at_a_time.end(name)

    assert one_at_a_time.entered == ["a", "quick", "bulk"]


async def test_full_queue_refuses_at_once_and_says_when_to_come_back(one_at_a_time):
    for name in "abcde":
        one_at_a_time.begin(name)
    await settle()

    with pytest.raises(QueueFull) as refused:
        async with one_at_a_time.admission.slot("ocr", Priority.INTERACTIVE, 60):
            pass

    assert refused.value.retry_after_s >= 1
    for name in "abcde":
        await one_at_a_time.end(name)


async def test_wait_beyond_the_deadline_is_refused_without_waiting(one_at_a_time):
    one_at_a_time.admission._lanes["ocr"].mean_s = 5.0
    one_at_a_time.begin("a")
    await settle()

    with pytest.raises(QueueFull):
        async with one_at_a_time.admission.slot("ocr", Priority.INTERACTIVE, 2.0):
            pass
    await one_at_a_time.end("a")


async def test_cancelled_wait_leaves_no_trace(one_at_a_time):
    for name in "abc":
        one_at_a_time.begin(name)
    await settle()
    one_at_a_time.tasks["b"].cancel()
    await settle()

    await one_at_a_time.end("a")
    await one_at_a_time.end("c")

    assert one_at_a_time.entered == ["a", "c"]
    assert one_at_a_time.admission.state("ocr")["in_flight"] == 0


async def test_place_given_to_a_request_that_is_just_cancelled_goes_on(one_at_a_time):
    async with one_at_a_time.admission.slot("ocr", Priority.INTERACTIVE, 60):
        for name in "bc":
            one_at_a_time.begin(name)
        await settle()
    one_at_a_time.tasks["b"].cancel()  # it has been given the place and has not run since
    await settle()

    assert one_at_a_time.entered == ["c"]
    await one_at_a_time.end("c")
    assert one_at_a_time.admission.state("ocr")["in_flight"] == 0


def test_limit_grows_only_while_it_is_needed():
    limit = AdaptiveLimit(value=10)
    limit.succeeded(in_flight=2)
    assert limit.value == 10

    for _ in range(10):
        limit.succeeded(in_flight=10)
    assert 10.9 < limit.value < 11.0


def test_refusals_of_what_was_sent_before_lower_the_limit_once():
    limit = AdaptiveLimit(value=100)
    limit.overloaded(in_flight=50, began=0.0, now=1.0)
    limit.overloaded(in_flight=50, began=0.5, now=1.5)
    assert limit.value == 45

    limit.overloaded(in_flight=40, began=1.2, now=1.6)
    assert limit.value == 36


def test_limit_never_falls_below_its_floor():
    limit = AdaptiveLimit(value=5, floor=4)
    for number in range(10):
        limit.overloaded(in_flight=1, began=number, now=number)

    assert limit.value == 4


async def test_places_are_kept_from_bulk_requests():
    admission = Admission(AdmissionLimits(max_wait_s=60))
    admission._lanes["ocr"].limit = AdaptiveLimit(value=10, floor=1, ceiling=10)
    requests = Requests(admission)
    for number in range(10):
        requests.begin(f"bulk {number}", Priority.BULK)
    await settle()
    taken_by_bulk = len(requests.entered)
    requests.begin("urgent")
    await settle()

    assert taken_by_bulk == 8
    assert requests.entered[-1] == "urgent"
    for name in list(requests.tasks):
        await requests.end(name)
    assert len(requests.entered) == 11


async def test_bulk_request_is_served_where_there_is_one_place_only(one_at_a_time):
    one_at_a_time.begin("bulk", Priority.BULK)
    await settle()

    assert one_at_a_time.entered == ["bulk"]
    await one_at_a_time.end("bulk")


class Offered:
    """A service of 2 places and 16 waiting that takes 20 ms, asked at a rate; in virtual time."""

    def __init__(self, loop):
        self.loop = loop
        self.admission = Admission(AdmissionLimits())
        self.places, self.inside = asyncio.Semaphore(2), 0
        self.refused_after_s, self.answered_after_s = [], []

    async def ask(self):
        came = self.loop.time()
        try:
            async with self.admission.slot("ocr", Priority.INTERACTIVE, 60.0) as slot:
                slot.went_well = await self._serve()
                refused = not slot.went_well
        except QueueFull:
            refused = True
        kept = self.refused_after_s if refused else self.answered_after_s
        kept.append(self.loop.time() - came)

    async def _serve(self):
        if self.inside >= 18:
            return False
        self.inside += 1
        async with self.places:
            await asyncio.sleep(0.02)
        self.inside -= 1
        return True

    async def offer(self, rate, seconds):
        asking = []
        for _ in range(int(rate * seconds)):
            asking.append(self.loop.create_task(self.ask()))
            await asyncio.sleep(1 / rate)
        await asyncio.gather(*asking)


def test_overload_is_refused_at_the_door_and_what_is_let_in_is_answered_soon():
    async def main(loop):
        offered = Offered(loop)
        await offered.offer(rate=500, seconds=30)
        return offered

    offered = simulate(main)

    refused, answered = sorted(offered.refused_after_s), sorted(offered.answered_after_s)
    assert refused[int(0.95 * len(refused))] == 0.0
    assert len(answered) > 0.9 * 100 * 30
    alone_s = 0.02 * 18 / 2  # of a request that finds the service's own queue full
    assert answered[int(0.99 * len(answered))] < 2.5 * alone_s
