"""Writes card.json, which `/v1/models` shows, and MODEL_CARD.md, which people read."""

import json
from pathlib import Path

import onnx

from services.ocr.demo.alphabet import CHARACTERS, DRAWING_SIGNS
from services.ocr.demo.fonts import HELD_OUT

Photographs = dict[str, dict[str, float | str]]

LICENCE = "Apache-2.0"


def write_card(
    folder: Path, *, sha256: str, held_out: dict[str, float], photographs: Photographs
) -> None:
    """Write both cards of the model in a folder.

    Args:
        folder: holds model.onnx.
        sha256: of model.onnx.
        held_out: character error on rendered lines, by fonts and condition.
        photographs: character error on pictures, by picture and recogniser; may be empty.
    """
    model = folder / "model.onnx"
    properties = {entry.key: entry.value for entry in onnx.load(model).metadata_props}
    card = {
        "name": "demo-ocr-ko",
        "demo": True,
        "licence": LICENCE,
        "languages": ["ko", "en"],
        "characters": len(CHARACTERS) + 1,
        "sha256": sha256,
        "bytes": model.stat().st_size,
        "trained_on": "synthetic data: text rendered in free fonts",
        "training": {
            "device": properties["training_device"],
            "minutes": int(properties["training_minutes"]),
            "wall_minutes": int(properties["training_wall_minutes"]),
            "lines": int(properties["training_lines"]),
        },
        "held_out_character_error": {key: round(value, 4) for key, value in held_out.items()},
        "photograph_character_error": {
            picture: {who: round(e, 4) if isinstance(e, float) else e for who, e in row.items()}
            for picture, row in photographs.items()
        },
    }
    text = json.dumps(card, ensure_ascii=False, indent=2) + "\n"
    (folder / "card.json").write_text(text, encoding="utf-8")
    (folder / "MODEL_CARD.md").write_text(_describe(card), encoding="utf-8")


def _describe(card: dict[str, object]) -> str:
    training = card["training"]
    assert isinstance(training, dict)
    return f"""# demo-ocr-ko

A small recogniser of printed Korean, Latin letters, digits and the signs of engineering drawings,
made so that Gantry reads Korean where no model hub can be reached. It is a demonstration: prefer a
full recogniser where you can.

- **Input and output**: PP-OCR's: (batch, 3, 48, width) float32 BGR scaled to [-1, 1];
  probabilities (batch, width / 4, {card["characters"]} characters + blank). Used behind PP-OCR's
  detector. Characters are in `dict.txt` and in the file's metadata `character`: ASCII, the 2,350
  syllables of KS X 1001, {"".join(DRAWING_SIGNS)} and some more.
- **Network**: convolutions and CTC, no recurrent layer, no language model;
  {int(str(card["bytes"])) / 1e6:.1f} MB, weights stored as float16 and computed in float32.
- **Data**: synthetic data only: {training["lines"]:,} lines rendered on the fly in about 60 free
  fonts of Debian, much of the Korean random syllables, with tight and loose crops, blur, noise,
  tilt, inversion and JPEG.
- **Training**: {training["minutes"]} minutes of processor time ({training["wall_minutes"]} of wall
  time) on {training["device"]}, by `python -m services.ocr.demo.train`.
- **Licence**: {card["licence"]}, like Gantry's code. No photograph, no third party's weights.
- **sha256**: `{card["sha256"]}`

## Character error on rendered lines in fonts never trained on
Fonts: {", ".join(HELD_OUT)}.

{_table(card["held_out_character_error"])}

"Scanned" and "damaged" are the training's distortions at half and full strength.

## Character error on photographs, white space not counted
{_photograph_table(card["photograph_character_error"])}

The same crops of RapidOCR's detector for both, each true line against what was read of it, whatever
the order. The pictures are not part of this repository; these
few say little about pictures in general.

## What it cannot do
Handwriting, vertical text, hanja, kana, old Hangul, the 8,822 modern syllables outside KS X 1001,
ornamental type. It has no language model: a badly printed syllable is read by its shape alone.
○, O and 0, ⏤ and -, ∥ and || are told apart by proportion only.
"""


def _table(figures: object) -> str:
    assert isinstance(figures, dict)
    rows = [f"| {name} | {100 * value:.2f} % |" for name, value in figures.items()]
    return "\n".join(["| lines | error |", "|---|---|", *rows])


def _photograph_table(figures: object) -> str:
    assert isinstance(figures, dict)
    if not figures:
        return "Not run."
    names = list(next(iter(figures.values())))
    rows = [
        f"| {picture} | " + " | ".join(_percent(row[name]) for name in names) + " |"
        for picture, row in figures.items()
    ]
    head = [f"| picture | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    return "\n".join([*head, *rows])


def _percent(value: object) -> str:
    return f"{100 * value:.1f} %" if isinstance(value, float) else str(value)
