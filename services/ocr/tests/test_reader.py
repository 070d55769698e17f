"""The path from page to lines around engines that do as the test says."""

import pytest
from PIL import Image

from services.ocr.app import OcrEngines, build
from services.ocr.settings import OcrSettings
from services.ocr.tests.conftest import as_png, ask, box
from services.ocr.tests.scripted_engines import Detector, Recogniser, says
from shared.errors import EngineError
from shared.testing import running_app

pytestmark = pytest.mark.anyio


async def answer_of(detector, recogniser, **options):
    app = build(OcrSettings(device="cpu"), OcrEngines(detector, recogniser))
    page = as_png(Image.new("RGB", (640, 480), "white"))
    async with running_app(app) as client:
        return await ask(client, page, **options)


async def test_failing_recogniser_fails_the_request_as_what_it_is():
    def fail(_name, _crop):
        return EngineError("the model failed on this crop")

    response = await answer_of(Detector(*[box(0, 50 * n, 90, 30) for n in range(5)]),
                               Recogniser(fail))  # fmt: skip

    assert response.status_code == 500
    assert response.json()["code"] == "engine_error"


async def test_lines_below_the_confidence_are_left_out():
    def answer(_name, crop):
        return says("short", 0.4) if crop.shape[1] < 100 else says("long", 0.6)

    detector = Detector(box(0, 0, 90, 30), box(0, 50, 200, 30))

    strict = await answer_of(detector, Recogniser(answer))
    mild = await answer_of(detector, Recogniser(answer), min_confidence="0.3")

    assert strict.json()["pages"][0]["text"] == "long"
    assert mild.json()["pages"][0]["text"] == "short\nlong"


async def test_each_line_is_read_by_the_recogniser_that_is_surest():
    def answer(name, crop):
        is_korean_line = crop.shape[1] > 100
        if name == "korean":
            return says("도면 검사", 0.9) if is_korean_line else says("Rl2.5", 0.6)
        return says("仨比名召", 0.8) if is_korean_line else says("R12.5", 0.95)

    response = await answer_of(
        Detector(box(0, 0, 90, 30), box(0, 50, 200, 30)),
        Recogniser(answer, "latin", "korean"),
        languages="ko,en",
    )

    (page,) = response.json()["pages"]
    assert [(line["text"], line["model"]) for line in page["lines"]] == [
        ("R12.5", "latin"),
        ("도면 검사", "korean"),
    ]
    assert response.headers["x-model"] == "latin+korean"


async def test_large_pages_are_searched_in_tiles_of_one_shape():
    detector = Detector()

    await answer_of(detector, Recogniser(lambda *_: says("x")), tile_size="384", tile_overlap="64")

    assert set(detector.sizes) == {(480, 480)}  # 384 enlarged to the least side of a search
    assert len(detector.sizes) == 4


async def test_engines_are_replaced_without_a_dropped_request():
    detector = Detector(box(0, 0, 90, 30))
    settings = OcrSettings(device="cpu", recycle_after_batches=3, cache_memory_bytes=0)
    app = build(settings, OcrEngines(detector, Recogniser(lambda *_: says("x"))))
    page = as_png(Image.new("RGB", (64, 64), "white"))

    async with running_app(app) as client:
        answers = [await ask(client, page) for _ in range(20)]
        metrics = (await client.get("/metrics")).text

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["pages"][0]["text"] for answer in answers} == {"x"}
    assert 'gantry_engine_restarts_total{batcher="detect",reason="batches"}' in metrics
