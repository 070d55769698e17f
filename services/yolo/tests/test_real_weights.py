"""The published YOLOv8n, quantised to eight bits, on real pictures."""

import json
from collections import Counter

import numpy as np
import pytest

from services.yolo.app import build
from services.yolo.boxes import overlap
from services.yolo.settings import YoloSettings
from shared.testing import running_app

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
async def coco(test_data):
    """A client of the service with that model in its own process."""
    weights = test_data / "weights" / "yolov8n_int8.onnx"
    settings = YoloSettings(model=str(weights), engine="onnxruntime", device="cpu")
    async with running_app(build(settings)) as client:
        yield client


async def ask(client, path, **options):
    answer = await client.post("/v1/detect", content=path.read_bytes(), params=options)
    assert answer.status_code == 200, answer.text
    return answer.json()["results"][0]


async def test_street_scene_shows_four_persons_and_a_bus(coco, test_data):
    result = await ask(coco, test_data / "images/bus.jpg")

    names = Counter(each["class_name"] for each in result["detections"])
    assert names == {"person": 4, "bus": 1}


async def test_answers_equal_those_of_ultralytics(coco, test_data):
    pytest.importorskip("ultralytics")
    weights = test_data / "weights" / "yolov8n_int8.onnx"
    from services.yolo.engines.torchvision_ops import ensure_torchvision

    ensure_torchvision()
    from ultralytics import YOLO

    theirs = YOLO(weights, task="detect")
    for name in ("bus", "zidane", "street_crowd", "pickup_truck"):
        path = test_data / "images" / f"{name}.jpg"

        result = await ask(coco, path)

        expected = theirs.predict(path, verbose=False, device="cpu")[0].boxes
        got = result["detections"]
        assert [each["class_id"] for each in got] == expected.cls.int().tolist(), name
        assert [each["confidence"] for each in got] == pytest.approx(
            expected.conf.tolist(), abs=0.02
        )
        boxes = [list(each["box"].values()) for each in got]
        for ours, box in zip(boxes, expected.xyxy.tolist(), strict=True):
            assert ours == pytest.approx(box, abs=2.0), name


async def test_large_labelled_objects_of_coco_are_found(coco, test_data):
    truth = json.loads((test_data / "images/coco_truth.json").read_text())["images"]

    missed = []
    for name, labels in truth.items():
        result = await ask(coco, test_data / "images" / name)
        missed += [
            (name, label["category"])
            for label in labels
            if label["bbox"][2] * label["bbox"][3] > 96**2  # "large" as COCO counts it
            and not any(shows(each, label) for each in result["detections"])
        ]

    assert missed == []


def shows(detection, label):
    x, y, width, height = label["bbox"]
    box = np.array([x, y, x + width, y + height], np.float32)
    found = np.array([list(detection["box"].values())], np.float32)
    return detection["class_name"] == label["category"] and overlap(box, found)[0] >= 0.5
