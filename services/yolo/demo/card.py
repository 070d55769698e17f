"""Writes card.json, which `/v1/models` shows, and MODEL_CARD.md, which people read."""

import json
from pathlib import Path

import onnx

from services.yolo.demo.classes import CLASSES
from services.yolo.demo.finder import SHEET_PX
from services.yolo.demo.real_drawings import CONFIDENCE, Score
from services.yolo.demo.windows import TILE_PX

LICENCE = "AGPL-3.0"

RealScores = dict[str, dict[str, Score]]


def write_card(
    folder: Path, *, sha256: str, held_out: dict[str, float], real: RealScores, windows: int
) -> None:
    """Write both cards of the model in a folder.

    Args:
        folder: holds model.onnx.
        sha256: of model.onnx.
        held_out: AP at IoU 0.5 by class, and "all".
        real: counts by drawing and class; may be empty.
        windows: pictures that `held_out` was measured on.
    """
    model = folder / "model.onnx"
    properties = {entry.key: entry.value for entry in onnx.load(model).metadata_props}
    card = {
        "name": "demo-drawing-symbols",
        "demo": True,
        "licence": LICENCE,
        "classes": list(CLASSES),
        "image_size": TILE_PX,
        "sha256": sha256,
        "bytes": model.stat().st_size,
        "trained_on": "synthetic data: engineering drawings drawn by a program",
        "training": {
            "device": properties["training_device"],
            "minutes": int(properties["training_minutes"]),
            "wall_minutes": int(properties["training_wall_minutes"]),
            "pictures": int(properties["training_pictures"]),
        },
        "held_out_average_precision_50": {key: round(value, 3) for key, value in held_out.items()},
        "held_out_pictures": windows,
        "real_drawings": {
            drawing: {
                kind: {"found": s.found, "present": s.present, "false_alarms": s.false_alarms}
                for kind, s in rows.items()
            }
            for drawing, rows in real.items()
        },
    }
    text = json.dumps(card, ensure_ascii=False, indent=2) + "\n"
    (folder / "card.json").write_text(text, encoding="utf-8")
    description = _describe(card, held_out, real)
    (folder / "MODEL_CARD.md").write_text(description, encoding="utf-8")


def _describe(card: dict[str, object], held_out: dict[str, float], real: RealScores) -> str:
    training = card["training"]
    assert isinstance(training, dict)
    classes = "\n".join(f"| {name} | {what} |" for name, what in CLASSES.items())
    figures = "\n".join(f"| {name} | {value:.3f} |" for name, value in held_out.items())
    return f"""# demo-drawing-symbols

A small detector of what engineering drawings hold, made so that Gantry has something to find with
where no model hub can be reached. It is a demonstration, trained on drawings that no engineer drew.

- **Architecture**: YOLO11n (Ultralytics), {int(str(card["bytes"])) / 1e6:.1f} MB as ONNX, weights
  stored as float16 and computed in float32; input {TILE_PX} px, RGB scaled to [0, 1].
- **Data**: synthetic data only: {training["pictures"]:,} windows of sheets drawn by a program
  (`services/yolo/demo/page.py`): views, dimensions, frames of every characteristic of ISO 1101,
  title blocks, tables and notes in Korean and English; tilt, blur, noise, JPEG, inversion.
- **Training**: from random weights, {training["minutes"]} minutes of processor time
  ({training["wall_minutes"]} of wall time) on {training["device"]},
  by `python -m services.yolo.demo.train`.
- **Licence**: {card["licence"]}, because architecture and export are Ultralytics'.
- **sha256**: `{card["sha256"]}`

## Classes
| class | what its box encloses |
|---|---|
{classes}

## Average precision at IoU 0.5, {card["held_out_pictures"]} held-out windows of the same generator
| class | AP50 |
|---|---|
{figures}

## On real drawings, confidence {CONFIDENCE}
The test samples of eDOCr (MIT, not in this repository), each looked at whole and in tiles of
{TILE_PX} px at a long side of {SHEET_PX} px, against boxes measured by eye.

{_real_table(real)}

## What it cannot do
Drawings much unlike the generator's: dense assemblies, architecture, hand drawings, type below
about 8 px or above 40 px in a tile (scale the drawing first). It does not read: which
characteristic a frame states is left to OCR. Welding symbols, hole callout signs and datum targets
are not among its classes. Scores are not calibrated.
"""


def _real_table(real: RealScores) -> str:
    if not real:
        return "Not run."
    rows = [
        f"| {drawing} | {kind} | {s.found} of {s.present} | {_alarms(s)} |"
        for drawing, by_kind in real.items()
        for kind, s in by_kind.items()
        if s.present or s.false_alarms
    ]
    return "\n".join(["| drawing | class | found | false alarms |", "|---|---|---|---|", *rows])


def _alarms(score: Score) -> str:
    return "not counted" if score.false_alarms < 0 else str(score.false_alarms)
