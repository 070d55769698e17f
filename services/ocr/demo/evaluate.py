"""Measures the shipped `demo-ocr-ko`: `python -m services.ocr.demo.evaluate`.

Prints the character error on lines rendered in fonts that training never saw and, where
GANTRY_TEST_DATA names a folder of test data, on photographs beside PaddleOCR's recogniser.
`--write-card` writes the figures into card.json and MODEL_CARD.md.
"""

import argparse
import hashlib
import json
import logging
import os
from pathlib import Path

from services.ocr.demo.accuracy import character_error_rate
from services.ocr.demo.batches import evaluation_lines
from services.ocr.demo.card import write_card
from services.ocr.demo.export import MODEL_FOLDER
from services.ocr.demo.fonts import HELD_OUT, held_out_fonts
from services.ocr.demo.photographs import compare
from services.ocr.demo.reader import Reader

log = logging.getLogger(__name__)

BAR = 0.03  # character error on held-out fonts that the model is meant to stay below
_CONDITIONS = {"clean": 0.0, "scanned": 0.5, "damaged": 1.0}  # strength of the distortion
_SEED = 1  # another set than the one watched during training


def held_out_figures(reader: Reader, count: int) -> dict[str, float]:
    """Character error by font family and condition, and over all clean and scanned lines."""
    figures: dict[str, float] = {}
    pooled: list[tuple[str, str]] = []
    for family in _families():
        fonts = held_out_fonts(family)
        for condition, strength in _CONDITIONS.items():
            lines = evaluation_lines(_SEED, count, fonts, strength)
            pairs = [(text, reader.read(picture)) for picture, text in lines]
            figures[f"{family[0]}, {condition}"] = character_error_rate(pairs)
            if condition != "damaged":
                pooled += pairs
    return {"all, clean and scanned": character_error_rate(pooled), **figures}


def _families() -> list[tuple[str, ...]]:
    """The held-out fonts, grouped by family."""
    regular = [name for name in HELD_OUT if not name.endswith("Bold")]
    return [tuple(name for name in HELD_OUT if name.startswith(family)) for family in regular]


def main() -> None:
    """Entry point."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=MODEL_FOLDER)
    parser.add_argument("--count", type=int, default=300, help="lines per family and condition")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write-card", action="store_true")
    options = parser.parse_args()
    model = options.folder / "model.onnx"
    reader = Reader(model, options.threads)
    sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
    log.info("demo-ocr-ko, sha256 %s", sha256)
    figures = held_out_figures(reader, options.count)
    for name, error in figures.items():
        log.info("character error %-32s %6.2f %%", name, 100 * error)
    reached = figures["all, clean and scanned"] <= BAR
    log.info(
        "bar of %.0f %% on clean and scanned lines: %s",
        100 * BAR,
        "reached" if reached else "MISSED",
    )
    data = os.environ.get("GANTRY_TEST_DATA")
    photographs = compare(Path(data), reader) if data else {}
    log.info(
        "photographs: %s",
        json.dumps(photographs, indent=1) if data else "not run, GANTRY_TEST_DATA is not set",
    )
    if options.write_card:
        write_card(options.folder, sha256=sha256, held_out=figures, photographs=photographs)


if __name__ == "__main__":
    main()
