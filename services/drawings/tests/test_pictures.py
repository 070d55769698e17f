"""Pictures, and PDFs without text, through the service."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from services.drawings.tests.asking import PATH, analyze, texts
from services.drawings.tests.sheets import (
    drawn,
    paper,
    png,
    write,
)
from shared.testing import peak_memory


async def test_picture_is_read_by_ocr_and_detector(service, gateway):
    gateway.texts = ["25.4 ±0.05"]
    box = {"x1": 1.0, "y1": 2.0, "x2": 30.0, "y2": 40.0}
    gateway.detections = [{"class_name": "view", "confidence": 0.9, "box": box}]

    answer = await analyze(service, drawn())

    assert texts(answer["dimensions"]) == ["25.4 ±0.05"]
    assert answer["detections"] == [
        {"page": 1, "class_name": "view", "confidence": 0.9, "box": box}
    ]
    assert answer["models"] == {"ocr": "reader", "symbols": "finder"}
    assert answer["pages"][0]["text_source"] == "ocr"
    assert not answer["partial"]


async def test_boxes_of_what_was_read_in_a_view_are_in_pixels_of_the_picture(service, gateway):
    gateway.texts = ["25.4"]
    sheet = drawn((1100, 700))
    ink = np.asarray(Image.open(io.BytesIO(sheet)).convert("L")) < 128
    rows, columns = np.nonzero(ink)

    answer = await analyze(service, sheet)

    box = answer["dimensions"][0]["box"]
    inset = 0.15 * (rows.max() - rows.min())  # the margin that the OCR's boxes have
    assert (box["x1"], box["x2"]) == pytest.approx((columns.min(), columns.max()), abs=inset)
    assert (box["y1"], box["y2"]) == pytest.approx((rows.min(), rows.max()), abs=inset + 1)
    sent = Image.open(io.BytesIO(next(body for path, _, _, body in gateway.asked if path == "ocr")))
    assert sent.width * sent.height < 0.1 * ink.size


async def test_view_with_small_letters_is_read_again_enlarged(service, gateway):
    image, pen = paper(1800, 1200)
    write(pen, 1100, 700, "25.4", size=14)
    gateway.texts = ["25.4", "25.48"]

    answer = await analyze(service, png(image))

    sizes = [Image.open(io.BytesIO(body)).width for path, _, _, body in gateway.asked[:3]
             if path == "ocr"]  # fmt: skip
    assert sizes[1] > 1.3 * sizes[0]
    assert texts(answer["dimensions"]) == ["25.48"]
    assert answer["dimensions"][0]["box"]["x1"] == pytest.approx(1102, abs=3)


async def test_view_that_fails_leaves_the_others(service, gateway):
    gateway.texts = ["25.4"]
    gateway.fails_after = 1
    image, pen = paper(1500, 500)
    for x in (40, 860):
        pen.rectangle((x, 60, x + 600, 400), outline="black", width=3)

    answer = await analyze(service, png(image), symbols="false")

    assert answer["partial"]
    assert answer["stages"]["ocr"]["status"] == "failed"
    assert len(answer["dimensions"]) == 1


@pytest.mark.parametrize(
    ("text", "confidence", "is_read"),
    [("7", 0.7, False), ("7", 0.8, True), ("75", 0.7, True), ("75", 0.4, False)],
)
async def test_what_is_read_without_confidence_is_no_dimension(
    service, gateway, text, confidence, is_read
):
    gateway.texts, gateway.confidence = [text], confidence

    answer = await analyze(service, drawn(), symbols="false")

    assert texts(answer["dimensions"]) == ([text] if is_read else [])
    assert len(answer["unparsed"]) == (0 if is_read else 1)


async def test_blank_page_is_sent_to_no_ocr(service, gateway):
    answer = await analyze(service, png(paper()[0]), symbols="false")

    assert gateway.asked == []
    assert answer["stages"]["ocr"]["error"] == "the page is blank"
    assert not answer["partial"]


async def test_picture_without_ocr_still_tells_what_was_detected(service, gateway):
    gateway.down = {"ocr": 503}
    box = {"x1": 1.0, "y1": 2.0, "x2": 30.0, "y2": 40.0}
    gateway.detections = [{"class_name": "view", "confidence": 0.9, "box": box}]

    answer = await analyze(service, drawn())

    assert answer["partial"]
    assert answer["stages"]["ocr"]["status"] == "failed"
    assert len(answer["detections"]) == 1


async def test_picture_of_which_nothing_can_be_told_is_the_first_failure(service, gateway):
    gateway.down = {"ocr": 503, "detect": 503}

    answer = await service.post(PATH, files={"file": drawn()})

    assert answer.status_code == 503
    assert answer.json()["code"] == "not_ready"


async def test_scan_beyond_the_limit_is_refused_by_its_header_in_little_memory(service):
    scan = one_bit_png(20_000, 20_000)
    await service.post(PATH, files={"file": png(paper(8, 8)[0])})  # the worker is there

    with peak_memory() as peak:
        answer = await service.post(PATH, files={"file": scan})

    assert answer.status_code == 413
    assert "pixels" in answer.json()["detail"]
    assert peak.growth_bytes < 64 * 2**20


def one_bit_png(width, height):
    """A white scan of one bit a pixel, packed without ever being held."""
    row = b"\0" + b"\xff" * ((width + 7) // 8)
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()

    def chunk(kind, body):
        return (
            len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
        )

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([1, 0, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("confidence", "expected"), [(0.3, ["25.4"]), (0.9, [])])
async def test_only_a_sure_table_keeps_its_text_from_being_a_dimension(
    service, gateway, confidence, expected
):
    gateway.texts = ["25.4"]
    box = {"x1": 50.0, "y1": 50.0, "x2": 400.0, "y2": 200.0}
    gateway.detections = [{"class_name": "table", "confidence": confidence, "box": box}]

    answer = await analyze(service, drawn())

    assert texts(answer["dimensions"]) == expected
