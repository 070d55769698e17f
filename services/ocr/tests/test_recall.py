"""Pages that were read before are answered from memory, and only to who asked."""

import asyncio
import io
import threading

import numpy as np
import pytest
from PIL import Image

from services.ocr.answers import plain_text
from services.ocr.app import OcrEngines, build
from services.ocr.reader import Line, PageText
from services.ocr.reading_order import Block
from services.ocr.recall import fields_of, page_from
from services.ocr.settings import OcrSettings
from services.ocr.tests.conftest import as_png, ask, box
from services.ocr.tests.scripted_engines import Detector, Recogniser, says
from services.ocr.words import Word
from shared.testing import running_app

pytestmark = pytest.mark.anyio

PAGE = Image.new("RGB", (640, 480), "white")
BOXES = (box(0, 0, 90, 30), box(0, 50, 200, 30))


@pytest.fixture
def engines():
    def answer(_name, crop):
        return says("short" if crop.shape[1] < 100 else "long one")

    return OcrEngines(Detector(*BOXES), Recogniser(answer))


@pytest.fixture
async def client(engines):
    async with running_app(build(OcrSettings(device="cpu"), engines)) as client:
        yield client


def pdf_of(count):
    sheets = [Image.new("RGB", (300, 200 + 40 * n), "white") for n in range(count)]
    file = io.BytesIO()
    sheets[0].save(file, "PDF", save_all=True, append_images=sheets[1:], resolution=100)
    return file.getvalue()


async def test_same_page_is_searched_once_and_answered_alike(client, engines):
    first = await ask(client, as_png(PAGE), words="true")
    second = await ask(client, as_png(PAGE), words="true")

    told = [each.headers["x-cache"] for each in (first, second)]
    assert (told, len(engines.detector.sizes)) == (["miss", "hit-memory"], 1)
    assert second.json()["pages"] == first.json()["pages"]
    assert second.json()["model"] == first.json()["model"] == second.headers["x-model"] == "latin"


async def test_same_pixels_in_another_container_and_other_forms_are_hits(client, engines):
    file = io.BytesIO()
    PAGE.save(file, "BMP")
    await ask(client, as_png(PAGE))

    other = await ask(client, file.getvalue())
    as_text = await ask(client, as_png(PAGE), response_format="markdown")

    assert (other.headers["x-cache"], as_text.headers["x-cache"]) == ("hit-memory", "hit-memory")
    assert "long one" in as_text.text
    assert len(engines.detector.sizes) == 1


async def test_other_option_or_caller_is_read_anew(client, engines):
    await ask(client, as_png(PAGE))

    clean = await ask(client, as_png(PAGE), blur="3")
    bob = await client.post("/v1/ocr", content=as_png(PAGE), headers={"X-Caller": "bob"})

    assert (clean.headers["x-cache"], bob.headers["x-cache"]) == ("miss", "miss")
    assert len(engines.detector.sizes) == 3


async def test_pages_of_a_document_are_remembered_one_by_one(client, engines):
    document = pdf_of(3)
    await ask(client, document, pages="2", dpi="100")

    whole = await ask(client, document, dpi="100")
    again = await ask(client, document, dpi="100")
    finer = await ask(client, document, pages="2", dpi="150")

    assert len(engines.detector.sizes) == 1 + 2 + 1
    assert [each.headers["x-cache"] for each in (whole, again, finer)] == [
        "miss", "hit-memory", "miss",
    ]  # fmt: skip
    assert [page["page"] for page in again.json()["pages"]] == [1, 2, 3]


async def test_progress_tells_pages_while_a_document_is_read():
    may_go, started = threading.Event(), threading.Event()

    class Gated(Detector):
        def run(self, key, payloads):
            if len(self.sizes) == 2:
                started.set()
                may_go.wait(30)
            return super().run(key, payloads)

    app = build(OcrSettings(device="cpu"), OcrEngines(Gated(), Recogniser(lambda *_: says("x"))))
    async with running_app(app) as client:
        headers = {"X-Request-Id": "long"}
        reading = asyncio.ensure_future(
            client.post("/v1/ocr?dpi=100", content=pdf_of(4), headers=headers)
        )
        await asyncio.to_thread(started.wait, 30)
        progress = (await client.get("/progress/long")).json()
        may_go.set()
        await reading

    assert progress == {"stage": "reading", "done": 2, "total": 4, "percent": 50.0}


def test_page_comes_back_as_it_was():
    polygon = np.array(box(3, 4, 50.5, 20, 0.1), np.float32)
    words = (Word("flat", polygon), Word("0.05", polygon + 1))
    lines = (Line("flat 0.05", 0.987, polygon, "latin", words), Line("도면", 0.5, polygon, "ko"))
    page = PageText(640, 480, lines, (Block(((0, 1),)), Block(())))

    back = page_from(fields_of(page))

    assert plain_text(back) == plain_text(page)
    assert (back.width_px, back.height_px, back.blocks) == (640, 480, page.blocks)
    for got, expected in zip(back.lines, lines, strict=True):
        assert (got.text, got.confidence, got.recogniser) == (
            expected.text, expected.confidence, expected.recogniser,
        )  # fmt: skip
        np.testing.assert_array_equal(got.polygon, expected.polygon)
        assert [each.text for each in got.words] == [each.text for each in expected.words]
