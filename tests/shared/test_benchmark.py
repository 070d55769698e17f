import itertools

import pytest

from shared.benchmark import (
    PeakMemory,
    PerformanceBenchmarker,
    Report,
    Rounds,
    Subject,
    percentile,
)

SUBJECT = Subject("adding", device="cpu", weights="none", batch="1", input="numbers")


class Clock:
    """A clock that only work moves."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s

    def work(self, *durations_s):
        times = itertools.cycle(durations_s)

        def run():
            self.now_s += next(times)

        return run


def compared(variants, clock, **rounds):
    return PerformanceBenchmarker(SUBJECT, Rounds(**rounds), clock=clock).compare(variants)


def test_variants_are_compared_with_the_first():
    clock = Clock()

    report = compared({"plain": clock.work(0.4), "fast": clock.work(0.1)}, clock)

    assert [each.median_ms for each in report.variants] == pytest.approx([400, 100])
    assert report.speed_ups()["fast"] == pytest.approx((4, 4, 4))


def test_rounds_to_warm_up_do_not_count():
    clock = Clock()
    slow_start = clock.work(9.0, 9.0, 0.1, 0.1, 0.1)

    report = compared({"only": slow_start}, clock, warm_up=2, measured=3)

    assert report.variants[0].times_ms == pytest.approx([100, 100, 100])


def test_variants_run_interleaved():
    order = []

    compared(
        {"a": lambda: order.append("a"), "b": lambda: order.append("b")},
        Clock(),
        warm_up=0,
        measured=3,
    )

    assert order == ["a", "b"] * 3


def test_device_is_waited_for_before_and_after_the_work():
    calls = []
    benchmarker = PerformanceBenchmarker(
        SUBJECT, Rounds(warm_up=0, measured=1), synchronise=lambda: calls.append("wait")
    )

    benchmarker.compare({"only": lambda: calls.append("work")})

    assert calls == ["wait", "work", "wait"]


def test_steps_are_shown_with_their_share():
    report = compared({"only": lambda: {"decode": 30.0, "model": 10.0}}, Clock(), measured=3)

    assert "| decode | 30.00 | 75% |" in report.markdown()


def test_report_survives_storage(tmp_path):
    clock = Clock()
    report = compared({"plain": clock.work(0.4), "fast": clock.work(0.1)}, clock)

    report.save(tmp_path, "adding")

    assert Report.load(tmp_path / "adding.json") == report
    assert "Device cpu; weights none" in (tmp_path / "adding.md").read_text()


def test_percentile_is_the_nearest_rank():
    values = [float(number) for number in range(1, 21)]

    assert percentile(values, 0.95) == 19.0
    assert percentile([7.0], 0.95) == 7.0


def test_peak_memory_sees_an_allocation_that_is_gone_at_the_end():
    with PeakMemory() as before:
        pass
    with PeakMemory() as memory:
        block = bytearray(200 * 2**20)
        block[::4096] = b"x" * len(block[::4096])
        while memory.peak_bytes < before.peak_bytes + 150 * 2**20:
            pass
        del block

    assert memory.peak_bytes >= before.peak_bytes + 150 * 2**20
