"""The shipped detector finds what the repository's sample drawing holds, which it never saw."""

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from services.yolo.demo.accuracy import intersection_over_union
from services.yolo.demo.classes import CLASS_ID, CLASS_NAMES
from services.yolo.demo.export import MODEL_FOLDER
from services.yolo.demo.finder import Finder

SAMPLES = Path(__file__).parents[4] / "tests/data"
CONFIDENCE = 0.25


@pytest.fixture(scope="module")
def sample():
    return json.loads((SAMPLES / "drawing.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def found(sample):
    picture = cv2.imread(str(SAMPLES / sample["image"]), cv2.IMREAD_GRAYSCALE)
    return Finder(MODEL_FOLDER / "model.onnx").find_on_sheet(np.asarray(picture), CONFIDENCE)


def _recall(found, sample, class_name):
    truth = [thing["box"] for thing in sample["objects"] if thing["class_name"] == class_name]
    boxes = found.boxes[found.class_ids == CLASS_ID[class_name]]
    overlaps = intersection_over_union(boxes, np.array(truth, np.float32))
    return (overlaps >= 0.5).any(axis=0).mean()


def test_finds_the_title_block(found, sample):
    assert _recall(found, sample, "title_block") == 1


def test_finds_most_feature_control_frames(found, sample):
    assert _recall(found, sample, "feature_control_frame") >= 0.75


def test_finds_most_dimensions(found, sample):
    assert _recall(found, sample, "dimension") >= 0.7


def test_most_of_what_it_finds_is_there(found, sample):
    truth = np.array([thing["box"] for thing in sample["objects"]], np.float32)
    kinds = np.array([CLASS_ID[thing["class_name"]] for thing in sample["objects"]])

    overlaps = intersection_over_union(found.boxes, truth)
    overlaps[found.class_ids[:, None] != kinds[None, :]] = 0

    assert (overlaps.max(axis=1) >= 0.5).mean() >= 0.7


def test_file_names_its_classes_for_ultralytics():
    metadata = {
        entry.key: entry.value for entry in onnx.load(MODEL_FOLDER / "model.onnx").metadata_props
    }

    assert metadata["names"] == str(dict(enumerate(CLASS_NAMES)))
    assert (metadata["task"], metadata["stride"]) == ("detect", "32")


def test_card_describes_the_shipped_file():
    card = json.loads((MODEL_FOLDER / "card.json").read_text(encoding="utf-8"))
    content = (MODEL_FOLDER / "model.onnx").read_bytes()

    assert card["sha256"] == hashlib.sha256(content).hexdigest()
    assert card["bytes"] == len(content) <= 6_000_000
    assert card["classes"] == list(CLASS_NAMES)
    assert (card["name"], card["demo"]) == (MODEL_FOLDER.name, True)
