import pytest

from shared.cgroup import (
    cpu_quota_cores,
    memory_limit_bytes,
    memory_working_set_bytes,
    usable_cores,
)


@pytest.mark.parametrize(
    ("content", "cores"), [("200000 100000", 2.0), ("50000 100000", 0.5), ("max 100000", None)]
)
def test_quota_of_cgroup_v2_is_read_in_cores(tmp_path, content, cores):
    (tmp_path / "cpu.max").write_text(content)

    assert cpu_quota_cores(tmp_path) == cores


def test_quota_of_cgroup_v1_is_read_in_cores(tmp_path):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("150000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")

    assert cpu_quota_cores(tmp_path) == 1.5


def test_fraction_of_a_core_is_one_thread(tmp_path):
    (tmp_path / "cpu.max").write_text("50000 100000")

    assert usable_cores(tmp_path) == 1


def test_memory_limit_is_read_and_max_means_none(tmp_path):
    (tmp_path / "memory.max").write_text("1073741824\n")
    assert memory_limit_bytes(tmp_path) == 2**30

    (tmp_path / "memory.max").write_text("max\n")
    assert memory_limit_bytes(tmp_path) is None


def test_no_cgroup_means_no_limits(tmp_path):
    assert cpu_quota_cores(tmp_path) is None
    assert memory_limit_bytes(tmp_path) is None


@pytest.mark.parametrize(
    ("usage", "stat", "line"),
    [
        ("memory.current", "memory.stat", "inactive_file 300"),
        ("memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file 300"),
    ],
)
def test_working_set_leaves_out_file_pages_not_used_of_late(tmp_path, usage, stat, line):
    (tmp_path / "memory").mkdir()
    (tmp_path / usage).write_text("1000\n")
    (tmp_path / stat).write_text(f"active_file 50\n{line}\n")

    assert memory_working_set_bytes(tmp_path) == 700
    assert memory_working_set_bytes(tmp_path / "none") is None
