import json
import re

import pytest

from services.yolo.app import build
from services.yolo.engine import SERVICE_DIR
from services.yolo.settings import YoloSettings
from shared.testing import running_app

README = (SERVICE_DIR / "README.md").read_text()


@pytest.mark.data
async def test_example_is_answered_as_shown(test_data):
    shown = json.loads(re.search(r"```json\n(.*?)```", README, re.DOTALL).group(1))
    settings = YoloSettings(
        model=str(test_data / "weights/yolov8n_int8.onnx"), engine="onnxruntime", device="cpu"
    )

    async with running_app(build(settings)) as client:
        answer = await client.post(
            "/v1/detect",
            files={"file": (test_data / "images/bus.jpg").read_bytes()},
            data={"classes": "bus"},
        )

    expected, got = shown["results"][0], answer.json()["results"][0]
    assert set(answer.json()) == set(shown)
    assert got["image"] == expected["image"]
    assert set(got) == set(expected)
    assert [each["class_name"] for each in got["detections"]] == ["bus"]
    # Eight-bit arithmetic differs a little between CPUs.
    assert got["detections"][0]["confidence"] == pytest.approx(
        expected["detections"][0]["confidence"], abs=0.03
    )
    assert got["detections"][0]["box"] == pytest.approx(expected["detections"][0]["box"], abs=8)
