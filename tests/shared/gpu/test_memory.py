import os

from shared.gpu.memory import HostMonitor, MemorySnapshot, NvmlMonitor, own_bytes
from tests.shared.gpu.fakes import GIB, FakeNvml


def test_gpu_is_read_through_nvml():
    nvml = FakeNvml(others=3 * GIB, by_pid={7: GIB})

    seen = NvmlMonitor("GPU-1", nvml=nvml).snapshot()

    assert seen == MemorySnapshot(used_bytes=4 * GIB, total_bytes=16 * GIB, utilisation=0.25)
    assert (seen.free_bytes, seen.used_share) == (12 * GIB, 0.25)


def test_instance_of_a_divided_gpu_tells_no_utilisation():
    assert NvmlMonitor("GPU-1", nvml=FakeNvml(is_mig=True)).snapshot().utilisation is None


def test_process_is_found_by_its_id():
    monitor = NvmlMonitor("GPU-1", nvml=FakeNvml(by_pid={7: GIB, 8: None}))

    assert monitor.process_bytes(7) == GIB
    assert monitor.process_bytes(8) is None  # the driver lists it without a figure
    assert monitor.process_bytes(9) is None


def test_broken_driver_gives_no_reading_and_is_asked_anew():
    nvml = FakeNvml(is_broken=True)
    monitor = NvmlMonitor("GPU-1", nvml=nvml)
    before = monitor.snapshot()

    nvml.is_broken = False

    assert before is None
    assert monitor.snapshot().total_bytes == 16 * GIB


def test_gpu_that_is_not_there_gives_no_reading():
    monitor = NvmlMonitor("GPU-9", nvml=FakeNvml())

    assert monitor.snapshot() is None
    assert monitor.process_bytes(os.getpid()) is None


def test_host_without_a_limit_is_the_whole_machine(tmp_path):
    seen = HostMonitor(tmp_path).snapshot()

    assert 0 < seen.used_bytes < seen.total_bytes
    assert seen.total_bytes > 2**28


def test_cgroup_bounds_the_host_and_its_idle_file_pages_do_not_count(tmp_path):
    (tmp_path / "memory.max").write_text("104857600\n")
    (tmp_path / "memory.current").write_text("62914560\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 20971520\nfile 3\n")

    seen = HostMonitor(tmp_path).snapshot()

    assert (seen.used_bytes, seen.total_bytes) == (41_943_040, 104_857_600)


def test_own_memory_is_resident_memory_on_the_host(tmp_path):
    monitor = HostMonitor(tmp_path)

    assert own_bytes(monitor) > 2**20
    assert monitor.process_bytes(2**22 + 5) is None
