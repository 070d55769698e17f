import pytest

from shared.gpu.device import Device, DeviceUnavailable, Gpu, choose_device, list_gpus, visible_gpus

A100 = Gpu(0, "A100", "GPU-aaaa", 40 * 2**30)
H200 = Gpu(1, "H200", "GPU-bbbb", 141 * 2**30)
SLICE = Gpu(-1, "H200 MIG 1g.18gb", "MIG-cccc", 18 * 2**30)


def choose(wanted, gpus=(), usable=0):
    return choose_device(wanted, gpus=lambda: list(gpus), runtime_gpus=lambda: usable)


def test_auto_takes_the_first_gpu_that_driver_and_library_agree_on():
    device = choose("auto", [A100, H200], usable=2)

    assert device == Device("cuda:0", "A100 was found")
    assert device.is_gpu


def test_auto_without_a_gpu_is_the_cpu_and_no_fallback():
    device = choose("auto")

    assert (device.name, device.fallback_reason) == ("cpu", None)
    assert "no NVIDIA GPU" in device.reason


def test_auto_with_a_gpu_that_the_library_cannot_use_is_a_fallback_with_its_reason():
    device = choose("auto", [A100], usable=0)

    assert device.name == "cpu"
    assert "without CUDA" in device.fallback_reason


@pytest.mark.parametrize(
    ("wanted", "gpus", "usable", "reason"),
    [
        ("cuda", [], 0, "no NVIDIA GPU"),
        ("cuda:1", [A100], 1, "only 1 GPUs"),
        ("cuda:0", [A100], 0, "without CUDA"),
    ],
)
def test_named_gpu_that_cannot_be_used_is_an_error(wanted, gpus, usable, reason):
    with pytest.raises(DeviceUnavailable, match=reason):
        choose(wanted, gpus, usable)


def test_engine_without_a_gpu_build_says_so():
    device = choose_device("auto", gpus=lambda: [A100], runtime_gpus=None)

    assert device.fallback_reason == "this engine has no GPU build"


def test_cpu_is_never_questioned():
    def no_driver():
        raise AssertionError("the driver must not be asked")

    assert choose_device("cpu", gpus=no_driver).name == "cpu"


@pytest.mark.parametrize(
    ("visible", "uuids"),
    [
        (None, ["GPU-aaaa", "GPU-bbbb"]),
        ("1,0", ["GPU-bbbb", "GPU-aaaa"]),
        ("GPU-bb", ["GPU-bbbb"]),
        ("MIG-cccc", ["MIG-cccc"]),
        ("0,7,1", ["GPU-aaaa"]),
        ("", []),
        ("-1", []),
    ],
)
def test_visible_devices_select_and_order_the_gpus_as_cuda_does(visible, uuids):
    chosen = visible_gpus([A100, H200, SLICE], visible)

    assert [gpu.uuid for gpu in chosen] == uuids
    assert [gpu.index for gpu in chosen] == list(range(len(chosen)))


def test_machine_without_a_driver_lists_no_gpus():
    assert list_gpus({"CUDA_VISIBLE_DEVICES": ""}) == []
