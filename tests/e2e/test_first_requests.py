"""The whole system as a new user meets it: every process started, the README's first requests sent.

Answers are held against the truth of the samples, not against recorded answers.
"""

import io
import json
import os
from collections import Counter
from pathlib import Path

import jiwer
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance

from deploy.running import running_system

MADE_UP_REQUESTS = int(os.environ.get("GANTRY_MADE_UP_REQUESTS", "40"))
ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests" / "data"
SERVICES = {"drawings", "ocr", "tolerance", "whisper", "yolo"}
WITH_MODELS = SERVICES - {"drawings"}


@pytest.fixture(scope="module")
def gateway():
    """A client of the gateway of a running system with all services ready."""
    with running_system(SERVICES, timeout_s=120) as client:
        yield client


def test_every_service_is_ready_with_a_model_of_our_own(gateway):
    models = gateway.get("/v1/models").json()["data"]

    assert {model["service"] for model in models} == WITH_MODELS
    demo = {model["id"] for model in models if model["demo"]}
    assert demo >= {"demo-speech-en", "demo-drawing-symbols", "demo-tolerance"}


def test_speech_is_transcribed(gateway):
    truth = json.loads((SAMPLES / "speech" / "truth.json").read_text())["sample.wav"]["text"]

    with (SAMPLES / "speech" / "sample.wav").open("rb") as file:
        answer = gateway.post("/v1/audio/transcriptions", files={"file": file})

    assert answer.headers["x-model"] == "demo-speech-en"
    # Whether the path is right: a wrong window, rate or vocabulary gives no right word at all. How
    # well the model hears is measured on its held-out set, in its card.
    assert jiwer.wer(plain(truth), plain(answer.json()["text"])) <= 0.35


def test_page_of_korean_and_english_is_read(gateway):
    truth = json.loads((SAMPLES / "page_ko_en.json").read_text())
    expected = "".join(line["text"] for line in truth["lines"])

    with (SAMPLES / "page_ko_en.png").open("rb") as file:
        answer = gateway.post(
            "/v1/ocr", params={"languages": "ko,en", "response_format": "text"},
            files={"file": file},
        )  # fmt: skip

    assert jiwer.cer(dense(expected), dense(answer.text)) <= 0.1


def test_symbols_of_a_drawing_are_found(gateway):
    truth = json.loads((SAMPLES / "drawing.json").read_text())["objects"]
    frames = [each["box"] for each in truth if each["class_name"] == "feature_control_frame"]

    with (SAMPLES / "drawing.png").open("rb") as file:
        answer = gateway.post("/v1/detect", params={"tile_size": 640}, files={"file": file})

    found = [
        list(each["box"].values())
        for each in answer.json()["results"][0]["detections"]
        if each["class_name"] == "feature_control_frame"
    ]
    hits = sum(any(overlap(frame, box) >= 0.5 for box in found) for frame in frames)
    assert hits >= 0.75 * len(frames)


def test_tolerance_is_predicted(gateway):
    part = {
        "material": "al_6061", "process": "milling", "feature": "plane",
        "characteristics": ["flatness"],
        "dimensions_mm": {"length": 100, "width": 50, "thickness": 12}, "spec_mm": 0.1,
    }  # fmt: skip

    result = gateway.post("/v1/tolerance/predict", json={"parts": [part]}).json()["results"][0]

    low, high = result["interval_mm"]
    assert 0 < low < result["value_mm"] < high
    assert result["verdict"]["status"] in ("pass", "marginal", "fail")


def test_drawing_is_read_by_three_services_together(gateway):
    left, top, right, bottom = 840, 395, 1190, 695  # a view with its dimensions and frames
    truth = json.loads((SAMPLES / "drawing.json").read_text())["objects"]
    labels = {
        dense(each["text"]): [each["box"][0] - left, each["box"][1] - top]
        for each in truth
        if each["class_name"] in ("dimension", "feature_control_frame")
        and left < each["box"][0] < each["box"][2] < right
        and top < each["box"][1] < each["box"][3] < bottom
    }
    file = io.BytesIO()
    Image.open(SAMPLES / "drawing.png").crop((left, top, right, bottom)).save(file, "PNG")

    answer = gateway.post(
        "/v1/drawings/analyze", data={"material": "al_6061", "process": "milling"},
        files={"file": file.getvalue()},
    ).json()  # fmt: skip

    assert not answer["partial"]
    assert set(answer["models"]) == {"ocr", "symbols", "tolerance"}
    found = {
        dense(each["text"]): [each["box"]["x1"], each["box"]["y1"]]
        for each in answer["dimensions"] + answer["feature_control_frames"]
    }
    hits = [text for text in labels if found.get(text) == pytest.approx(labels[text], abs=6)]
    assert len(hits) >= len(labels) - 1 >= 5, found
    measured = next(each for each in answer["dimensions"] if dense(each["text"]) == "88.5±0.10")
    assert (measured["upper_limit"], measured["lower_limit"]) == (88.6, 88.4)
    assert all(each["result"]["value_mm"] > 0 for each in answer["tolerance"])


def test_no_request_made_up_from_the_documents_makes_the_system_fail(gateway):
    document, url = gateway.get("/openapi.json").json(), str(gateway.base_url)
    schema = schemathesis.openapi.from_dict(document)
    cases = st.one_of(
        schema[path][method.upper()].as_strategy(generation_mode=mode)
        for path, methods in document["paths"].items()
        for method in methods
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    )
    statuses = Counter()

    @settings(max_examples=MADE_UP_REQUESTS, deadline=None, database=None,
              phases=[Phase.generate], suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(case=cases)
    def send(case):
        answer = case.call(base_url=url, timeout=120)
        statuses[answer.status_code] += 1
        case.validate_response(answer, checks=[not_a_server_error, response_schema_conformance])

    send()

    assert statuses.total() >= MADE_UP_REQUESTS


def plain(text):
    """Words alone: lower case, without punctuation."""
    return "".join(each for each in text.lower() if each.isalnum() or each.isspace())


def dense(text):
    """Text without white space, which Korean typography sets freely."""
    return "".join(text.split())


def overlap(first, second):
    """Intersection over union of two xyxy boxes."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(0, width) * max(0, height)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return shared / (sum(areas) - shared)
