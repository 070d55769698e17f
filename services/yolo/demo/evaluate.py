"""Measures the shipped `demo-drawing-symbols`: `python -m services.yolo.demo.evaluate`.

Prints average precision on drawings of the same generator that training never saw and, where
GANTRY_TEST_DATA names a folder of test data, what is found on real drawings. `--write-card` writes
the figures into card.json and MODEL_CARD.md.
"""

import argparse
import hashlib
import logging
import os
from pathlib import Path

from services.yolo.demo.accuracy import Truth, mean_average_precision
from services.yolo.demo.batches import evaluation_windows
from services.yolo.demo.card import write_card
from services.yolo.demo.export import MODEL_FOLDER
from services.yolo.demo.finder import Finder
from services.yolo.demo.real_drawings import Score, score

log = logging.getLogger(__name__)

BAR = 0.9  # mAP50 on held-out synthetic drawings that the model is meant to reach


def held_out_figures(finder: Finder, count: int) -> dict[str, float]:
    """AP at IoU 0.5 on windows of drawings that no training seed draws, by class and for "all"."""
    windows = evaluation_windows(count)
    found = [finder.find(window.pixels, 0.01) for window in windows]
    return mean_average_precision(found, [Truth(w.boxes, w.class_ids) for w in windows])


def main() -> None:
    """Entry point."""
    os.environ.setdefault("YOLO_OFFLINE", "1")
    os.environ.setdefault("YOLO_AUTOINSTALL", "0")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=MODEL_FOLDER)
    parser.add_argument("--count", type=int, default=200, help="held-out windows")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write-card", action="store_true")
    options = parser.parse_args()
    model = options.folder / "model.onnx"
    finder = Finder(model, options.threads)
    sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
    log.info("demo-drawing-symbols, sha256 %s", sha256)
    figures = held_out_figures(finder, options.count)
    for name, value in figures.items():
        log.info("AP50 %-22s %.3f", name, value)
    log.info("bar of %.2f mAP50: %s", BAR, "reached" if figures["all"] >= BAR else "MISSED")
    data = os.environ.get("GANTRY_TEST_DATA")
    real = score(Path(data), finder) if data else {}
    if not data:
        log.info("real drawings: not run, GANTRY_TEST_DATA is not set")
    for drawing, rows in real.items():
        for kind, counts in rows.items():
            _report(drawing, kind, counts)
    if options.write_card:
        write_card(
            options.folder, sha256=sha256, held_out=figures, real=real, windows=options.count
        )


def _report(drawing: str, kind: str, counts: Score) -> None:
    alarms = "not counted" if counts.false_alarms < 0 else str(counts.false_alarms)
    log.info(
        "%-14s %-22s %d of %d found, false alarms: %s",
        drawing,
        kind,
        counts.found,
        counts.present,
        alarms,
    )


if __name__ == "__main__":
    main()
