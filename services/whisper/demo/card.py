"""The model's card beside its weights: `card.json` for the service, `MODEL_CARD.md` for people."""

import hashlib
import json
from pathlib import Path

NAME = "demo-speech-en"
DECLARED_WINDOW_S = 6.0
"""Stretch of speech that the service should give it; errors grow with the sentences in a window."""
LICENCE = "Apache-2.0"
MODEL_FOLDER = Path(__file__).parent / NAME
"""Where the shipped weights lie."""

_PAGE = """# {name}

A small English speech recogniser that was **trained on synthetic data only**. It exists so that a
machine that reaches no model hub has something to transcribe with. It is a demonstration, not a
product: for real recordings install a real Whisper model.

| | |
|---|---|
| architecture | Whisper (CTranslate2 int8), {parameters} parameters, English only, `{sha256}` |
| window | give it up to {window_s:g} s of speech at once; padding to 30 s is understood |
| data | {data} |
| training | {minutes:.0f} minutes, {steps} steps, on {device} |
| licence | {licence}; made with espeak-ng (GPL-3.0-or-later), of which nothing is contained |

## Held-out figures
Unseen voices and unseen sentences, measured on this very file with
`python -m services.whisper.demo.evaluate` on a CPU, int8, greedy.

| figure | value |
|---|---|
{rows}

Aims: word error rate at most 0.10, word starts within 200 ms at least 0.90, no text in windows
without speech, batched equal to single.
{human}
## What it cannot do
- Human voices: it never heard one. Expect most words of a real recording to be wrong.
- Words outside the roughly 430 of its grammar; languages other than English; translation;
  digits (numbers are spelled out); names beyond a handful.
- Several sentences in one window (it was taught up to 8 s, but loses its place), overlapping
  speakers, music.
- Previous text as a prompt was taught with up to 200 tokens, but gives it little.
"""


def write_card(folder: Path, held_out: dict[str, object], human: object = None) -> None:
    """Write both cards from the held-out figures, `training.json` and the weights.

    Args:
        folder: model folder with `model.bin` and `training.json`.
        held_out: figures by name.
        human: word error rate by recording, if measured.
    """
    training = json.loads((folder / "training.json").read_text())
    card = {
        "name": NAME,
        "demo": True,
        "languages": ["en"],
        "licence": LICENCE,
        "window_s": DECLARED_WINDOW_S,
        "multilingual": False,
        "trained_on": "synthetic speech (espeak-ng)",
        "training": training,
        "sha256": {"model.bin": digest(folder / "model.bin")},
        "held_out": held_out,
    }
    if human is not None:
        card["human_word_error_rates"] = human
    (folder / "card.json").write_text(json.dumps(card, indent=2) + "\n")
    (folder / "MODEL_CARD.md").write_text(_page(card, training, held_out, human))


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _page(
    card: dict[str, object], training: dict[str, object], held_out: dict[str, object], human: object
) -> str:
    rows = "\n".join(
        f"| {name.replace('_', ' ')} | {_figure(value)} |" for name, value in held_out.items()
    )
    table = ""
    if isinstance(human, dict):
        lines = "\n".join(f"| {name} | {_figure(rate)} |" for name, rate in human.items())
        table = (
            "\n## Human recordings\nAs they are (no human voice was ever heard in training; "
            "above 1 means more errors than words).\n\n| recording | word error rate |\n|---|---|\n"
            + lines
            + "\n"
        )
    fields = {
        **training, "name": NAME, "licence": LICENCE, "window_s": DECLARED_WINDOW_S, "rows": rows,
        "human": table,
        "sha256": "sha256 " + str(dict(card["sha256"])["model.bin"])[:16],  # type: ignore[call-overload]  # plain JSON
    }  # fmt: skip
    return _PAGE.format(**fields)


def _figure(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
