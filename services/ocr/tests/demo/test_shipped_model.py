"""The shipped recogniser reads the repository's samples, which it never saw, nearly as written."""

import hashlib
import json
from pathlib import Path

import cv2
import onnxruntime
import pytest

from services.ocr.demo.accuracy import character_error_rate
from services.ocr.demo.alphabet import CHARACTERS
from services.ocr.demo.export import MODEL_FOLDER
from services.ocr.demo.reader import Reader

SAMPLES = Path(__file__).parents[4] / "tests/data"
# About 5 % are read wrongly, mostly word spaces, which are narrow in this family.
LARGEST_ERROR = 0.08


@pytest.fixture(scope="module")
def reader():
    return Reader(MODEL_FOLDER / "model.onnx")


def _crops(name):
    """Each text of a sample with its part of the picture, 6 px of paper about the ink."""
    truth = json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    picture = cv2.imread(str(SAMPLES / truth["image"]), cv2.IMREAD_GRAYSCALE)
    for line in truth["lines"]:
        x0, y0, x1, y1 = line["box"]
        yield line["text"], picture[y0 - 6 : y1 + 6, x0 - 6 : x1 + 6]


def test_reads_the_sample_page(reader):
    pairs = [(text, reader.read(crop)) for text, crop in _crops("page_ko_en")]

    assert character_error_rate(pairs) <= LARGEST_ERROR


def test_reads_white_on_black_as_well(reader):
    pairs = [(text, reader.read(255 - crop)) for text, crop in _crops("page_ko_en")]

    assert character_error_rate(pairs) <= LARGEST_ERROR


def test_reads_the_sample_page_behind_the_bundled_detector():
    from rapidocr import RapidOCR

    engine = RapidOCR(
        params={
            "Global.log_level": "error",
            "Rec.model_path": str(MODEL_FOLDER / "model.onnx"),
            "Rec.rec_keys_path": str(MODEL_FOLDER / "dict.txt"),
        }
    )
    truth = json.loads((SAMPLES / "page_ko_en.json").read_text(encoding="utf-8"))
    wanted = "".join(line["text"] for line in truth["lines"]).replace(" ", "")

    result = engine(str(SAMPLES / truth["image"]), use_cls=False)

    read = "".join(result.txts).replace(" ", "")
    assert character_error_rate([(wanted, read)]) <= LARGEST_ERROR


def test_characters_in_file_and_dictionary_are_the_alphabet():
    session = onnxruntime.InferenceSession(
        str(MODEL_FOLDER / "model.onnx"), providers=["CPUExecutionProvider"]
    )

    metadata = session.get_modelmeta().custom_metadata_map["character"].split("\n")
    dictionary = (MODEL_FOLDER / "dict.txt").read_text(encoding="utf-8").split("\n")

    assert metadata == list(CHARACTERS)
    assert dictionary == [*CHARACTERS, ""]
    assert session.get_outputs()[0].shape[2] == len(CHARACTERS) + 2


def test_card_describes_the_shipped_file():
    card = json.loads((MODEL_FOLDER / "card.json").read_text(encoding="utf-8"))
    content = (MODEL_FOLDER / "model.onnx").read_bytes()

    assert card["sha256"] == hashlib.sha256(content).hexdigest()
    assert card["bytes"] == len(content) <= 8_000_000
    assert (card["name"], card["demo"]) == (MODEL_FOLDER.name, True)
