"""Real pictures with their truth, through the HTTP API."""

import json

import pytest
from PIL import Image

from services.ocr.tests.conftest import as_png, ask, character_error_rate
from shared.testing import peak_memory

pytestmark = [pytest.mark.anyio, pytest.mark.data]


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("en_who_poster.png", 0.02),
        ("en_paragraph.jpg", 0.02),
        ("exif_rotated_zh.jpg", 0.0),
        ("black_on_transparent_zh.png", 0.0),
        ("white_on_transparent_zh.png", 0.2),  # one of five characters, 370 px high, is lost
    ],
)
async def test_pictures_are_read_nearly_word_for_word(client, test_data, name, most):
    truth = json.loads((test_data / "ocr" / "truth.json").read_text())[name]["lines"]

    response = await ask(client, (test_data / "ocr" / name).read_bytes())

    got = response.json()["pages"][0]["text"]
    assert character_error_rate(" ".join(truth), got) <= most, got


async def test_korean_is_read_by_the_demo_model_and_said_to_be(client, test_data):
    truth = json.loads((test_data / "ocr" / "truth.json").read_text())["korean_headline.jpg"]
    content = (test_data / "ocr" / "korean_headline.jpg").read_bytes()

    response = await ask(client, content, languages="ko,en")

    answer = response.json()
    assert answer["model"] == "demo-ocr-ko"
    assert character_error_rate(truth["lines"][0], answer["pages"][0]["text"]) <= 0.2
    assert "demo" in answer["warnings"][0]


async def test_korean_upside_down_is_read(client, test_data):
    truth = json.loads((test_data / "ocr" / "truth.json").read_text())["korean_headline.jpg"]
    with Image.open(test_data / "ocr" / "korean_headline.jpg") as picture:
        turned = as_png(picture.transpose(Image.Transpose.ROTATE_180))

    (page,) = (await ask(client, turned, languages="ko,en")).json()["pages"]

    assert character_error_rate(truth["lines"][0], page["text"]) <= 0.2, page["text"]
    assert abs(page["lines"][0]["angle_deg"]) > 170


async def test_english_stays_right_when_korean_is_asked_for_too(client, test_data):
    truth = json.loads((test_data / "ocr" / "truth.json").read_text())["en_who_poster.png"]
    content = (test_data / "ocr" / "en_who_poster.png").read_bytes()

    response = await ask(client, content, languages="ko,en")

    got = response.json()["pages"][0]["text"]
    assert character_error_rate(" ".join(truth["lines"]), got) <= 0.02, got


async def test_black_picture_holds_no_text(client, test_data):
    response = await ask(client, (test_data / "ocr" / "blank_black.jpg").read_bytes())

    assert response.json()["pages"][0]["lines"] == []


REFUSED = {
    "broken.png", "corrupted.heic", "decompression_bomb.gif", "decompression_bomb.ico",
    "empty.heic", "lfs_pointer_best.pt", "trailer_loop.pdf", "truncated.heic",
    "truncated_image.png", "truncated_jpeg.jpg", "zero_width.gif",
}  # fmt: skip
READ = {
    "RGBA_16__128x128.png", "RGB_16__128x128.png", "exif_typeerror.jpg", "hopper.webp",
    "hopper_orientation_3.jpg", "hopper_orientation_6.jpg", "invalid-exif.jpg",
    "p_trns_single.png", "pil_sample_cmyk.jpg", "transparent.png",
}  # fmt: skip


async def test_malformed_files_get_a_clear_answer_and_little_memory(client, test_data):
    status, growth_mib = {}, {}
    # What a sound page needs is there already.
    await ask(client, (test_data / "ocr" / "exif_rotated_zh.jpg").read_bytes())
    await ask(client, as_png(Image.new("RGB", (1200, 1600), "white")))
    for path in sorted((test_data / "malformed").iterdir()):
        with peak_memory() as peak:
            response = await ask(client, path.read_bytes())
        growth_mib[path.name] = peak.growth_bytes / 2**20
        status[path.name] = response.status_code
        assert response.status_code < 500, (path.name, response.text)
        if response.status_code != 200:
            assert response.json()["detail"]

    assert {name for name in REFUSED if not 400 <= status[name] < 500} == set()
    assert {name for name in READ if status[name] != 200} == set()
    assert {name: mib for name, mib in growth_mib.items() if mib > 64} == {}
