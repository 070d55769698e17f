"""Character error on real pictures: the same crops, read by our recogniser and by PaddleOCR's.

The pictures are found through the environment variable GANTRY_TEST_DATA; they are no part of this
repository.
"""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein

from services.ocr.crops import cut
from services.ocr.demo.accuracy import character_error_rate
from services.ocr.demo.reader import Picture, Reader

PICTURES = (
    "korean_headline.jpg",
    "korean_product_label.jpeg",
    "en_paragraph.jpg",
    "en_who_poster.png",
)
_MOST_PIECES = 6  # a detector may cut a line at its spaces
_PADDLE_NAME = "korean_PP-OCRv3_mobile_rec"  # the registered name nearest to the v2.0 model
_PADDLE_FOLDER = Path("ocr_models/rec_korean_mobile_v2.0")


def compare(data: Path, reader: Reader) -> dict[str, dict[str, float | str]]:
    """Character error of each picture by recogniser, white space not counted.

    Lines come from RapidOCR's bundled detector. Each true line is compared with what was read of
    it, wherever that stands: this measures reading, not the order of lines, and text that is not
    there is not counted. Where PaddlePaddle is not installed, its recogniser is "not run".
    """
    truth = json.loads((data / "ocr/truth.json").read_text(encoding="utf-8"))
    recognisers: dict[str, Callable[[list[Picture]], list[str]] | None] = {
        "demo-ocr-ko": lambda crops: [reader.read(crop) for crop in crops],
        "PaddleOCR korean_mobile_v2.0": _paddle_recogniser(data / _PADDLE_FOLDER),
    }
    figures: dict[str, dict[str, float | str]] = {}
    for name in PICTURES:
        crops = _lines(data / "ocr" / name)
        wanted = truth[name]["lines"]
        figures[name] = {
            who: "not run" if read is None else _error(wanted, read(crops))
            for who, read in recognisers.items()
        }
    return figures


def _error(wanted: list[str], lines: list[str]) -> float:
    return character_error_rate(best_pairs(wanted, lines))


def best_pairs(wanted: list[str], lines: list[str]) -> list[tuple[str, str]]:
    """Each true line with the nearest reading: nothing, or up to _MOST_PIECES lines in a row."""
    pieces = ["".join(line.split()) for line in lines]
    readings = {
        "".join(pieces[start : start + count])
        for start in range(len(pieces))
        for count in range(1, _MOST_PIECES + 1)
    }
    truths = ["".join(line.split()) for line in wanted]
    return [
        (truth, min({"", *readings}, key=lambda reading: Levenshtein.distance(truth, reading)))
        for truth in truths
    ]


def _lines(path: Path) -> list[Picture]:
    """Straightened crops of every line that RapidOCR's detector finds, in reading order."""
    from rapidocr import RapidOCR

    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise FileNotFoundError(path)
    found = RapidOCR(params={"Global.log_level": "error"})(picture, use_cls=False, use_rec=False)
    boxes = getattr(found, "boxes", None)
    boxes = [] if boxes is None else boxes
    return [
        _straighten(np.asarray(picture, np.uint8), np.asarray(box, np.float32)) for box in boxes
    ]


def _straighten(picture: Picture, corners: npt.NDArray[np.float32]) -> Picture:
    """The quadrilateral (4, 2) as an upright rectangle; a tall one is turned, as PP-OCR does."""
    crop = cut(picture, corners)
    is_tall = crop.shape[0] >= 1.5 * crop.shape[1]
    return np.ascontiguousarray(np.rot90(crop)) if is_tall else crop


def _paddle_recogniser(folder: Path) -> Callable[[list[Picture]], list[str]] | None:
    if importlib.util.find_spec("paddle") is None:
        return None
    from paddleocr import TextRecognition

    model = TextRecognition(
        model_name=_PADDLE_NAME, model_dir=str(folder), device="cpu", enable_mkldnn=False
    )
    return lambda crops: [result["rec_text"] for result in model.predict(crops)]
