"""A GPU that fails costs speed, not the service."""

import asyncio
from dataclasses import replace

import pytest

from services.yolo.app import build
from services.yolo.engine import SERVICE_DIR, YoloEngine
from services.yolo.engines.choice import EngineOptions
from services.yolo.settings import YoloSettings
from shared.errors import FatalEngineError
from shared.models.store import ModelStore
from shared.testing import running_app

PNG = {"content-type": "image/png"}


class FailingGpu:
    """The grid detector on a GPU that breaks at its first picture and never comes back."""

    def __init__(self, engine):
        self.engine, self.is_broken = engine, False

    def load(self):
        if self.is_broken:
            raise FatalEngineError("CUDA error: the device is lost")
        return replace(self.engine.load(), device="cuda:0")

    def warm_up(self):
        self.engine.warm_up()

    def run(self, key, payloads):
        self.is_broken = True
        raise FatalEngineError("CUDA error: an illegal memory access was encountered")

    def close(self):
        self.engine.close()


@pytest.fixture
def grid_engine(grid_model):
    def make():
        options = EngineOptions(engine="onnxruntime", device="cpu")
        return YoloEngine(ModelStore(SERVICE_DIR, grid_model.parent), str(grid_model), options)

    return make


async def test_service_goes_on_on_the_cpu_and_says_why(grid_engine, png):
    app = build(YoloSettings(), FailingGpu(grid_engine()), grid_engine())
    picture = png(128, 128, {(1, 2): "red"})

    async with running_app(app) as client:
        lost = await client.post("/v1/detect", content=picture, headers=PNG)
        while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - as a probe does
            await asyncio.sleep(0.05)
        answer = await client.post("/v1/detect", content=picture, headers=PNG)
        (engine,) = (await client.get("/readyz")).json()["engines"]

    assert (lost.status_code, lost.json()["code"]) == (500, "engine_fatal")
    assert answer.status_code == 200
    assert answer.headers["x-device"] == "cpu"
    assert [each["class_name"] for each in answer.json()["results"][0]["detections"]] == ["red"]
    assert (engine["phase"], engine["device"]) == ("degraded", "cpu")
    assert "the device is lost" in engine["reason"]
