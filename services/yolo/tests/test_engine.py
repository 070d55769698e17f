import numpy as np
import pytest

from services.yolo.engines.onnx_model import check_providers
from services.yolo.facts import ModelFacts
from services.yolo.found import BatchKey
from services.yolo.tests.grid_model import CLASSES, paint_cells, save_grid_model
from shared.errors import EngineError, ModelMissing
from shared.gpu.device import Device, DeviceUnavailable

KEY = BatchKey(128, 128, confidence=0.25, iou_threshold=0.7, max_detections=300)
RUNTIMES = ["onnxruntime", "openvino"]


def boxes(found):
    return sorted(map(tuple, found.boxes.round(2).tolist()))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_engine_finds_the_cells_that_are_there(engine_of, grid_model, runtime):
    engine, info = engine_of(grid_model, engine=runtime, device="cpu")
    engine.warm_up()

    found = engine.run(KEY, [paint_cells(128, 128, {(0, 1): "green", (3, 3): "red"})])[0]

    assert boxes(found) == [(0, 32, 32, 64), (96, 96, 128, 128)]
    assert info.model == "grid"
    assert dict(info.details)["runtime"] == runtime


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("batch", [None, 1, 4])
def test_batch_answers_as_its_pictures_alone(engine_of, tmp_path, runtime, batch):
    path = save_grid_model(tmp_path / "grid.onnx", batch=batch)
    engine, _ = engine_of(path, engine=runtime, device="cpu")
    pictures = [paint_cells(128, 128, {(n, n % 3): "blue"}) for n in range(4)] * 2

    together = engine.run(KEY, pictures[:6])

    alone = [engine.run(KEY, [picture])[0] for picture in pictures[:6]]
    assert [boxes(each) for each in together] == [boxes(each) for each in alone]


def test_facts_come_from_the_export(engine_of, grid_model):
    _, info = engine_of(grid_model, engine="onnxruntime", device="cpu")

    assert ModelFacts.of(info) == ModelFacts(
        task="detect", classes=CLASSES, image_size=128, stride=32, fixed_shape=None
    )


def test_licence_is_what_the_file_says(engine_of, grid_model):
    _, info = engine_of(grid_model, engine="onnxruntime", device="cpu")

    assert info.licence == "CC0-1.0"


def test_fixed_shape_of_an_export_is_known(engine_of, tmp_path):
    path = save_grid_model(tmp_path / "grid.onnx", shape=(64, 96))

    engine, info = engine_of(path, engine="onnxruntime", device="cpu")
    engine.warm_up()

    assert ModelFacts.of(info).fixed_shape == (64, 96)


def test_export_without_names_numbers_its_classes(engine_of, tmp_path):
    path = save_grid_model(tmp_path / "grid.onnx", names=None)

    _, info = engine_of(path, engine="onnxruntime", device="cpu")

    assert ModelFacts.of(info).classes == ("0", "1", "2")


def test_warm_up_refuses_a_model_with_more_classes_than_rows(engine_of, tmp_path):
    path = save_grid_model(tmp_path / "grid.onnx", names=("a", "b", "c", "d"))
    engine, _ = engine_of(path, engine="onnxruntime", device="cpu")

    with pytest.raises(EngineError, match="too few for 4 classes"):
        engine.warm_up()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_file_that_is_no_graph_is_named(engine_of, tmp_path, runtime):
    path = tmp_path / "best.onnx"
    path.write_bytes(b"no graph at all")

    with pytest.raises(ModelMissing, match=r"best.onnx cannot be loaded as an ONNX model"):
        engine_of(path, engine=runtime, device="cpu")


def test_gpu_asked_for_where_there_is_none_is_refused(engine_of, grid_model, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    with pytest.raises(DeviceUnavailable):
        engine_of(grid_model, device="cuda")


def test_unknown_model_names_those_that_exist(engine_of):
    with pytest.raises(ModelMissing, match="yolo11n"):
        engine_of("yolo99")


def test_installed_folder_is_found_by_its_name(engine_of, tmp_path):
    folder = tmp_path / "yolo" / "parts"
    folder.mkdir(parents=True)
    save_grid_model(folder / "best.onnx")

    _, info = engine_of("parts", device="cpu")

    assert info.model == "parts"


def test_checkpoint_that_is_none_of_ultralytics_is_named(engine_of, tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "best.pt"
    torch.save({"state": np.zeros(3).tolist()}, path)

    with pytest.raises(ModelMissing, match="checkpoint of Ultralytics"):
        engine_of(path, device="cpu")


def test_graph_meant_for_a_gpu_does_not_run_on_the_cpu_unnoticed():
    with pytest.raises(EngineError, match="could not start CUDA"):
        check_providers(Device("cuda:0"), ["CPUExecutionProvider"])

    check_providers(Device("cuda:0"), ["CUDAExecutionProvider", "CPUExecutionProvider"])
    check_providers(Device("cpu"), ["CPUExecutionProvider"])
