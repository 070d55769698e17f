"""Weights in Paddle's own format, which need ``requirements-paddle.in``."""

import importlib.util
from dataclasses import asdict

import pytest

from services.ocr.app import build
from services.ocr.engines import paddle, rapid
from services.ocr.engines.options import EngineOptions
from services.ocr.settings import OcrSettings
from services.ocr.tests.conftest import ask, character_error_rate
from shared.errors import ModelMissing
from shared.testing import running_app

HAS_PADDLE = importlib.util.find_spec("paddle") is not None


def options(folder):
    return asdict(EngineOptions(model_dir=str(folder), device="cpu", threads=2))


@pytest.fixture
def folder(tmp_path):
    """A detector and a recogniser that are there by name only."""
    for name in ("PP-OCRv3_mobile_det", "korean_PP-OCRv3_mobile_rec"):
        own = tmp_path / name
        own.mkdir()
        (own / "inference.yml").write_text(f"Global:\n  model_name: {name}\n")
        (own / "inference.pdmodel").write_bytes(b"weights")
    return tmp_path


@pytest.mark.skipif(HAS_PADDLE, reason="PaddlePaddle is installed")
def test_without_paddlepaddle_the_requirement_is_named(folder):
    with pytest.raises(ModelMissing, match=r"requirements-paddle\.in"):
        paddle.create_detector(options(folder)).load()


def test_rapidocr_names_the_engine_that_could(folder):
    with pytest.raises(ModelMissing, match="OCR_ENGINE=paddleocr"):
        rapid.create_detector(options(folder)).load()


@pytest.mark.data
@pytest.mark.anyio
@pytest.mark.skipif(not HAS_PADDLE, reason="PaddlePaddle is not installed")
@pytest.mark.model
async def test_korean_and_english_are_read_with_local_paddle_models(test_data):
    settings = OcrSettings(
        device="cpu", threads=2, engine="paddleocr", model_dir=test_data / "ocr_models"
    )
    async with running_app(build(settings)) as client:
        headline = (test_data / "ocr" / "korean_headline.jpg").read_bytes()
        poster = (test_data / "ocr" / "en_who_poster.png").read_bytes()
        korean = (await ask(client, headline, languages="ko")).json()["pages"][0]["text"]
        english = (await ask(client, poster, languages="en")).json()["pages"][0]["text"]

    truth = "베이징 차오양, 디지털 기술로 농업 새로운 발전 이끌어"
    assert character_error_rate(truth, korean) <= 0.1, korean
    assert "Reduce your risk of coronavirus infection" in " ".join(english.split())
