import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
)

from shared.gpu.ledger import Claim, DeviceMemoryFull, MemoryLedger, Room, Share, Shortage

GIB = 2**30
ROOM = Room(usable_bytes=10 * GIB, free_bytes=10 * GIB)


class Clock:
    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def join(tmp_path, clock):
    joined = []

    def make():
        joined.append(MemoryLedger(tmp_path, "GPU-1", idle_after_s=30, clock=clock))
        return joined[-1]

    yield make
    for each in joined:
        each.close()


def load(ledger, service, measured, budget=None):
    """Reserve, load and measure a model, as a service does."""
    share = ledger.reserve(Claim(service, "m", budget), ROOM)
    assert isinstance(share, Share), share
    return ledger.settle(share, measured)


def test_model_nobody_has_measured_is_loaded_alone(join):
    ledger = join()

    first = ledger.reserve(Claim("a", "m"), ROOM)
    second = join().reserve(Claim("b", "m"), ROOM)

    assert first.size_bytes == 10 * GIB
    assert isinstance(second, Shortage)


def test_measured_model_gives_back_what_it_does_not_need(join):
    settled = load(join(), "a", 2 * GIB)

    second = join().reserve(Claim("b", "m"), ROOM)

    assert settled.size_bytes == round(2 * GIB * 1.2)
    assert second.size_bytes == 10 * GIB - settled.size_bytes


def test_known_footprint_is_what_is_reserved_the_next_time(join):
    ledger = join()
    ledger.release(load(ledger, "a", 2 * GIB))

    again = join().reserve(Claim("a", "m"), ROOM)

    assert again.size_bytes == round(2 * GIB * 1.2)


def test_service_stays_within_its_budget(join):
    ledger = join()
    load(ledger, "a", 2 * GIB, budget=3 * GIB)

    more = ledger.reserve(Claim("a", "other", 3 * GIB), ROOM)

    assert more.size_bytes <= 3 * GIB - round(2 * GIB * 1.2)


def test_model_larger_than_the_budget_is_refused_with_the_remedy(join):
    ledger = join()
    ledger.release(load(ledger, "a", 4 * GIB))

    with pytest.raises(DeviceMemoryFull, match="raise the budget"):
        ledger.reserve(Claim("a", "m", 3 * GIB), ROOM)


def test_footprint_that_keeps_a_model_from_loading_is_doubted_in_the_end(join):
    ledger = join()
    ledger.release(load(ledger, "a", 4 * GIB))
    refusals = 0
    while True:
        try:
            found = ledger.reserve(Claim("a", "m", 3 * GIB), ROOM)
            break
        except DeviceMemoryFull:
            refusals += 1

    assert refusals == 3  # 4, 3.6 and 3.24 GiB
    assert found.size_bytes == 3 * GIB


def test_memory_that_strangers_use_is_not_promised(join):
    busy = Room(usable_bytes=10 * GIB, free_bytes=1 * GIB)

    assert join().reserve(Claim("a", "m"), busy).size_bytes == 1 * GIB


def test_promise_that_is_not_in_use_yet_is_not_taken_for_free(join):
    ledger = join()
    ledger.release(load(ledger, "a", 4 * GIB))
    ledger.reserve(Claim("a", "m"), ROOM)
    half_full = Room(usable_bytes=10 * GIB, free_bytes=6 * GIB)  # 4 GiB are a stranger's

    found = join().reserve(Claim("b", "m"), half_full)

    assert found.size_bytes == 6 * GIB - round(4 * GIB * 1.2)


def test_longest_idle_model_is_asked_to_go(join, clock):
    first, second, third = join(), join(), join()
    old = load(first, "old", 4 * GIB)
    clock.now_s += 10
    load(second, "young", 4 * GIB)
    third.release(third.settle(Share("x", third.holder, "new", "m", 4 * GIB, 10 * GIB), 4 * GIB))
    clock.now_s += 100

    shortage = third.reserve(Claim("new", "m"), ROOM)

    assert shortage.asked == ("old/m",)
    assert [each.id for each in first.wanted()] == [old.id]
    assert second.wanted() == []


def test_model_at_work_is_not_asked(join, clock):
    first, second = join(), join()
    share = load(first, "a", 8 * GIB)
    clock.now_s += 100
    first.note(share)

    second.settle(Share("x", second.holder, "b", "m", 4 * GIB, 10 * GIB), 4 * GIB)
    second.close()

    assert join().reserve(Claim("b", "m"), ROOM).asked == ()


def test_nobody_is_asked_in_vain(join, clock):
    first, second, third = join(), join(), join()
    load(first, "idle", 1 * GIB)
    clock.now_s += 100
    share = load(second, "busy", 7 * GIB)
    second.note(share)
    third.release(third.settle(Share("x", third.holder, "new", "m", 9 * GIB, 10 * GIB), 8 * GIB))

    shortage = third.reserve(Claim("new", "m"), ROOM)

    assert shortage.asked == ()
    assert first.wanted() == []


def test_model_that_did_not_fit_asks_for_more_the_next_time(join):
    ledger = join()
    share = load(ledger, "other", 6 * GIB)
    tight = ledger.reserve(Claim("a", "m"), ROOM)
    ledger.release(tight, needs_bytes=5 * GIB)
    ledger.release(share)

    again = ledger.reserve(Claim("a", "m"), ROOM)

    assert again.size_bytes == round(5 * GIB * 1.2)


def test_damaged_account_is_begun_anew_and_the_living_enter_it_again(join, tmp_path):
    ledger = join()
    share = load(ledger, "a", 2 * GIB)
    (tmp_path / "GPU-1.json").write_text("{")

    assert ledger.shares() == []
    noted = ledger.note(share)

    assert ledger.shares() == [noted]


def test_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)

    with pytest.raises(PermissionError, match="name another folder"):
        MemoryLedger(tmp_path / "link", "GPU-1")


HOLDER = """
import sys
from pathlib import Path
from shared.gpu.ledger import Claim, MemoryLedger
from tests.shared.gpu.test_ledger import ROOM
ledger = MemoryLedger(Path(sys.argv[1]), "GPU-1")
share = ledger.reserve(Claim("killed", "m"), ROOM)
print(share.size_bytes, flush=True)
sys.stdin.read()
"""


def test_kill_of_the_holder_frees_its_share(join, tmp_path):
    ledger = join()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert int(holder.stdout.readline()) == 10 * GIB
        before = ledger.reserve(Claim("b", "m"), ROOM)
        holder.kill()

    after = ledger.reserve(Claim("b", "m"), ROOM)

    assert isinstance(before, Shortage)
    assert after.size_bytes == 10 * GIB
    assert [each.name for each in (tmp_path / "holders").iterdir()] == [ledger.holder]


def test_traces_of_dead_processes_are_swept_by_the_next_that_joins(join, tmp_path):
    (tmp_path / "holders").mkdir()
    (tmp_path / "holders" / "dead").touch()
    living = join()

    assert {each.name for each in (tmp_path / "holders").iterdir()} == {living.holder}


def test_processes_at_the_same_time_never_share_out_more_than_there_is(tmp_path):
    room = Room(GIB, GIB)
    seen = []

    def live(number):
        ledger = MemoryLedger(tmp_path, "GPU-1")
        for _ in range(15):
            share = ledger.reserve(Claim(f"s{number % 3}", "m"), room)
            if isinstance(share, Share):
                share = ledger.settle(share, GIB // 4)
                seen.append(sum(each.size_bytes for each in ledger.shares()))
                ledger.release(share)
        ledger.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(live, range(4)))

    assert len(seen) > 4
    assert max(seen) <= GIB
    assert (tmp_path / "GPU-1.json").read_text().count('"id"') == 0


class SharedDevice(RuleBasedStateMachine):
    """Any interleaving of services that load, measure, work, unload, end and are killed."""

    BUDGETS = {"a": 4 * GIB, "b": 6 * GIB, "c": None}  # noqa: RUF012 - never changed

    processes = Bundle("processes")
    loading = Bundle("loading")
    loaded = Bundle("loaded")

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.alive, self.expected = [], {}  # share id -> (ledger, share)

    def teardown(self):
        for each in self.alive:
            each.close()
        self.folder.cleanup()

    @rule(target=processes)
    def begin(self):
        self.alive.append(
            MemoryLedger(Path(self.folder.name), "GPU-1", idle_after_s=30, clock=self.clock)
        )
        return self.alive[-1]

    @rule(
        target=loading,
        ledger=processes,
        service=st.sampled_from("abc"),
        model=st.sampled_from("xy"),
    )
    def reserve(self, ledger, service, model):
        if ledger not in self.alive:
            return multiple()
        try:
            found = ledger.reserve(Claim(service, model, self.BUDGETS[service]), ROOM)
        except DeviceMemoryFull:
            return multiple()
        if isinstance(found, Shortage):
            assert found.needed_bytes > found.left_bytes
            return multiple()
        self.expected[found.id] = (ledger, found)
        return (ledger, found)

    @rule(target=loaded, held=loading, part=st.integers(1, 100))
    def settle(self, held, part):
        ledger, share = held
        if self.expected.get(share.id) != held:
            return multiple()
        settled = ledger.settle(share, share.size_bytes * part // 100)
        self.expected[share.id] = (ledger, settled)
        return (ledger, settled)

    @rule(held=st.one_of(loading, loaded), needs=st.none() | st.integers(0, 12))
    def release(self, held, needs):
        ledger, share = held
        if ledger in self.alive:
            ledger.release(share, needs_bytes=None if needs is None else needs * GIB)
            self.expected.pop(share.id, None)

    @rule(held=loaded)
    def work(self, held):
        ledger, share = held
        if share.id in self.expected:
            self.expected[share.id] = (ledger, ledger.note(self.expected[share.id][1]))

    @rule(seconds=st.integers(1, 60))
    def wait(self, seconds):
        self.clock.now_s += seconds

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), is_killed=st.booleans())
    def end(self, data, is_killed):
        ledger = data.draw(st.sampled_from(self.alive))
        self.alive.remove(ledger)
        self.expected = {k: v for k, v in self.expected.items() if v[0] is not ledger}
        if is_killed:
            os.close(ledger._life)  # what the kernel does to a process that is killed
        else:
            ledger.close()

    @precondition(lambda self: self.alive)
    @rule()
    def idle_models_that_are_asked_go(self):
        for ledger in self.alive:
            for share in ledger.wanted():
                assert self.clock.now_s - share.used_at_s >= 30
                ledger.release(share)
                self.expected.pop(share.id, None)

    @precondition(lambda self: self.alive)
    @invariant()
    def nobody_is_given_what_is_not_there(self):
        shares = self.alive[0].shares()
        assert {each.id for each in shares} == set(self.expected)
        assert sum(each.size_bytes for each in shares) <= ROOM.usable_bytes
        for service, budget in self.BUDGETS.items():
            held = sum(each.size_bytes for each in shares if each.service == service)
            assert held <= (budget or ROOM.usable_bytes)


SharedDevice.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestSharedDevice = SharedDevice.TestCase
