"""Pictures that were asked for before are answered from memory, and only to who asked."""

import asyncio
import io

import pytest
from PIL import Image

from services.yolo.app import build
from services.yolo.engine import SERVICE_DIR, YoloEngine
from services.yolo.engines.choice import EngineOptions
from services.yolo.settings import YoloSettings
from services.yolo.tests.conftest import as_png
from services.yolo.tests.grid_model import paint_cells
from shared.models.store import ModelStore
from shared.testing import running_app


class Counting(YoloEngine):
    """The grid detector; counts the pictures that it is given."""

    pictures = 0

    def run(self, key, payloads):
        self.pictures += len(payloads)
        return super().run(key, payloads)


@pytest.fixture
def engine(grid_model):
    options = EngineOptions(engine="onnxruntime", device="cpu")
    return Counting(ModelStore(SERVICE_DIR, grid_model.parent), str(grid_model), options)


@pytest.fixture
async def client(engine):
    async with running_app(build(YoloSettings(), engine)) as client:
        yield client


PIXELS = paint_cells(128, 128, {(1, 2): "red", (0, 0): (51, 0, 0)})
PICTURE = as_png(PIXELS)


async def ask(client, picture=PICTURE, headers=None, **options):
    answer = await client.post("/v1/detect", content=picture, params=options, headers=headers)
    assert answer.status_code == 200, answer.text
    (result,) = answer.json()["results"]
    return result, answer.headers["x-cache"]


async def test_same_picture_is_run_once_and_answered_alike(client, engine):
    first, told_first = await ask(client)
    second, told_second = await ask(client)

    assert (told_first, told_second, engine.pictures) == ("miss", "hit-memory", 1)
    assert second["detections"] == first["detections"] != []
    assert "timing_ms" in first
    assert "timing_ms" not in second


async def test_same_pixels_in_another_container_are_a_hit(client, engine):
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "BMP")
    await ask(client)

    _, told = await ask(client, file.getvalue())

    assert (told, engine.pictures) == ("hit-memory", 1)


async def test_other_threshold_or_caller_is_answered_anew(client, engine):
    await ask(client)

    low, told_low = await ask(client, confidence=0.1)
    _, told_bob = await ask(client, headers={"X-Caller": "bob"})

    assert (told_low, told_bob, engine.pictures) == ("miss", "miss", 3)
    assert len(low["detections"]) == 2


async def test_same_pictures_of_one_request_run_once_each_in_its_place(client, engine):
    files = [("file", PICTURE)] * 5 + [("file", as_png(paint_cells(96, 96, {(0, 0): "blue"})))]

    results = (await client.post("/v1/detect", files=files)).json()["results"]

    assert [each["index"] for each in results] == list(range(6))
    assert [each["detections"][0]["class_name"] for each in results] == ["red"] * 5 + ["blue"]
    assert engine.pictures == 2


async def test_drawn_picture_is_of_what_was_found_before(client, engine):
    headers = {"accept": "image/png"}
    anew = await client.post("/v1/detect", content=PICTURE, headers=headers)

    again = await client.post("/v1/detect", content=PICTURE, headers=headers)

    assert again.content == anew.content
    assert again.headers["x-cache"] == "hit-memory"
    assert engine.pictures == 1


@pytest.mark.parametrize("off", [{"optimized": False}, {"cache_memory_bytes": 0}])
async def test_nothing_is_remembered_where_the_settings_say_so(engine, off):
    async with running_app(build(YoloSettings(**off), engine)) as client:
        told = [(await ask(client))[1] for _ in range(2)]

    assert (told, engine.pictures) == (["off", "off"], 2)


async def test_identical_requests_in_flight_run_once(client, engine):
    answers = await asyncio.gather(*(ask(client) for _ in range(6)))

    assert engine.pictures == 1
    assert all(result["detections"] == answers[0][0]["detections"] for result, _ in answers)
