import weakref

import pytest

from shared.errors import OutOfMemory
from shared.gpu.manager import GPUMemoryManager, Watermarks
from tests.shared.gpu.fakes import GIB, FakeMonitor


class Tensor:
    """Something that memory is lost with while anything refers to it."""


class Device:
    """A device whose cache a clean-up gives back, and a manager on a clock that stands still."""

    def __init__(self, used=0, cached=0):
        self.monitor = FakeMonitor(used_bytes=used)
        self.cached, self.cleanups, self.now_s = cached, 0, 100.0
        self.manager = GPUMemoryManager(
            self.monitor,
            watermarks=Watermarks(high=0.9, low=0.5),
            steps=[self.give_back],
            clock=lambda: self.now_s,
        )

    def give_back(self):
        self.cleanups += 1
        self.monitor.used_bytes -= self.cached
        self.cached = 0

    def batch(self, error=None):
        with self.manager:
            if error is not None:
                raise error


def test_batch_below_the_high_watermark_costs_no_clean_up():
    device = Device(used=14 * GIB, cached=GIB)

    device.batch()

    assert device.cleanups == 0


def test_device_above_the_high_watermark_is_cleaned_up():
    device = Device(used=15 * GIB, cached=10 * GIB)

    device.batch()

    assert (device.cleanups, device.monitor.used_bytes) == (1, 5 * GIB)


def test_batch_that_ran_out_of_memory_is_cleaned_up_at_any_fill():
    device = Device(used=GIB, cached=GIB)

    with pytest.raises(RuntimeError):
        device.batch(RuntimeError("CUDA error: out of memory"))

    assert device.cleanups == 1


def test_other_failures_are_no_reason_to_clean_up():
    device = Device(used=GIB)

    with pytest.raises(ValueError, match="bad"):
        device.batch(ValueError("bad picture"))

    assert device.cleanups == 0


def test_run_of_failures_is_cleaned_up_once_a_second():
    device = Device()

    for now_s in (100.0, 100.2, 100.9, 101.1):
        device.now_s = now_s
        with pytest.raises(OutOfMemory):
            device.batch(OutOfMemory("too big"))

    assert device.cleanups == 2


def test_clean_ups_that_do_not_help_become_rarer():
    device = Device(used=15 * GIB)

    for second in range(600):
        device.now_s = 100.0 + second
        device.batch()

    assert 5 <= device.cleanups <= 16


def test_what_a_failed_batch_refers_to_is_dropped_while_its_error_lives_on():
    held = []

    def forward():
        tensor = Tensor()
        held.append(weakref.ref(tensor))
        raise MemoryError

    manager = GPUMemoryManager(FakeMonitor(), steps=[])
    with pytest.raises(MemoryError) as kept, manager:
        forward()

    assert held[0]() is None
    assert isinstance(kept.value, MemoryError)


def test_clean_up_tells_what_it_freed():
    device = Device(used=8 * GIB, cached=3 * GIB)

    assert device.manager.clean_up("asked").freed_bytes == 3 * GIB


def test_another_device_is_watched_once_it_is_known():
    device = Device(used=0)
    device.batch()

    device.manager.watch(FakeMonitor(used_bytes=16 * GIB))
    device.batch()

    assert device.cleanups == 1
