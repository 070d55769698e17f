import pytest
from prometheus_client import CollectorRegistry

from shared.batching import BatchLimits
from shared.engine import EngineInfo
from shared.gpu.budget import BudgetedLane
from shared.gpu.device import Gpu
from shared.gpu.optimizer import GPUOptimizer
from shared.host_policy import HostPolicy
from shared.lane_health import RecyclePolicy
from shared.lanes import InlineLane, lanes_of
from shared.metrics import EngineMetrics
from shared.settings import ServiceSettings
from tests.shared.echo import EchoEngine
from tests.shared.gpu.fakes import GIB, FakeMonitor

GPU = Gpu(0, "H100", "GPU-1", 16 * GIB)


class GpuEcho(EchoEngine):
    def load(self):
        return EngineInfo(model="echo", device="cuda:0")


def optimizer_of(folder, *, gpus=(), **settings):
    monitor = FakeMonitor()
    return GPUOptimizer(
        ServiceSettings(memory_dir=folder, memory_wait_s=0, **settings),
        service="echo",
        gpus=lambda: list(gpus),
        gpu_monitor=lambda uuid: monitor,
        host_monitor=lambda: monitor,
    )


def test_gpu_is_expected_where_the_driver_shows_one(tmp_path):
    assert optimizer_of(tmp_path, gpus=[GPU]).device.name == "cuda:0"
    assert optimizer_of(tmp_path, gpus=[GPU], device="cpu").device.name == "cpu"
    assert optimizer_of(tmp_path).device.name == "cpu"


def test_named_gpu_that_is_missing_is_left_to_the_engine_to_refuse(tmp_path):
    device = optimizer_of(tmp_path, device="cuda:3").device

    assert device.name == "cpu"
    assert "cuda:3 cannot be used" in device.reason


@pytest.mark.parametrize(
    ("settings", "device", "is_guarded"),
    [
        ({"gpus": [GPU]}, None, True),
        ({"gpus": [GPU]}, "cpu", False),
        ({}, None, False),
        ({"memory_budget_bytes": GIB}, None, True),
    ],
)
def test_lane_is_guarded_on_a_gpu_and_where_a_budget_is_set(tmp_path, settings, device, is_guarded):
    lane = InlineLane(EchoEngine)

    guarded = optimizer_of(tmp_path, **settings).lane(lane, "echo", device=device)

    assert isinstance(guarded, BudgetedLane) is is_guarded
    assert is_guarded or guarded is lane


async def test_budget_of_the_settings_bounds_the_share(tmp_path):
    optimizer = optimizer_of(tmp_path, gpus=[GPU], gpu_memory_budget_bytes=GIB)
    lane = optimizer.lane(InlineLane(GpuEcho), "echo")

    await lane.start()

    assert 0 <= lane.share_bytes <= GIB
    assert [each.service for each in optimizer.shares()] == ["echo"]
    await lane.stop()
    assert optimizer.shares() == []


def test_engines_are_recycled_as_the_settings_say(tmp_path):
    chosen = optimizer_of(tmp_path, recycle_after_batches=5, recycle_above_bytes=GIB)

    policy = chosen.host_policy()

    assert policy.recycle == RecyclePolicy(after_batches=5, above_bytes=GIB)
    assert optimizer_of(tmp_path).host_policy() == HostPolicy()


def test_engines_side_by_side_and_idle_time_are_as_the_settings_say(tmp_path):
    policy = optimizer_of(tmp_path, max_lanes=3, idle_unload_s=60).host_policy()

    assert (policy.max_lanes, policy.idle_unload_s) == (3, 60)
    assert optimizer_of(tmp_path, max_lanes=3, optimized=False).host_policy().max_lanes == 1


def test_batches_are_bounded_as_the_settings_say(tmp_path):
    assert optimizer_of(tmp_path, max_batch_size=3).batch_limits().max_batch_size == 3
    assert optimizer_of(tmp_path, optimized=False).batch_limits().max_batch_size == 1


@pytest.mark.parametrize(
    ("setting", "meant", "expected"),
    [
        ("auto", None, ["auto", "cpu"]),
        ("cuda:0", None, ["cuda:0"]),
        ("cpu", None, ["cpu"]),
        ("auto", "cpu", ["cpu"]),
    ],
)
def test_engine_may_fall_back_to_the_cpu_where_no_device_was_named(
    tmp_path, setting, meant, expected
):
    devices = []

    def lane_on(device):
        devices.append(device)
        return InlineLane(EchoEngine)

    optimizer_of(tmp_path, gpus=[GPU], device=setting).host(
        "echo", lane_on, BatchLimits(), metrics=EngineMetrics(CollectorRegistry()), device=meant
    )

    assert devices == expected


async def test_engine_of_the_service_works_within_its_budget(tmp_path):
    optimizer = optimizer_of(tmp_path, memory_budget_bytes=GIB)
    host = optimizer.host(
        "echo",
        lanes_of(EchoEngine()),
        BatchLimits(),
        metrics=EngineMetrics(CollectorRegistry()),
    )

    host.start()
    await host.settled()

    assert (host.name, host.is_ready) == ("echo", True)
    assert [each.service for each in optimizer.shares()] == ["echo"]
    await host.stop()
