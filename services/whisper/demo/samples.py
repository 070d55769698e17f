"""Make the spoken samples of `tests/data/speech`: `python -m services.whisper.demo.samples`.

Voices and sentences are held out from training, so that a test on a sample is a test and not a
memory. `truth.json` names for each file its text, voice, and the synthesiser's own word times.
"""

import argparse
import json
import random
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.whisper.demo.examination import Window
from services.whisper.demo.grammar import is_held_out
from services.whisper.demo.synth import SAMPLE_RATE_HZ, Delivery, Speaker
from services.whisper.demo.windows import Placed, render

_PAUSE_S = 0.6


@dataclass(frozen=True)
class Sample:
    """What one file says."""

    name: str
    delivery: Delivery
    texts: tuple[str, ...]


SAMPLES = (
    Sample(
        "inspection.wav",
        Delivery("gmw/en-US+m3", rate_wpm=150),
        (
            "Part number one eight eight four two passed the inspection.",
            "There is a stain near the bracket, please move it.",
        ),
    ),
    Sample(
        "workshop.wav",
        Delivery("gmw/en+f2", rate_wpm=155),
        (
            "Can you bring the report to the corridor?",
            "The flatness is nine point eight millimetres.",
            "The camera is in the factory.",
        ),
    ),
    Sample(
        "sample.wav",
        Delivery("gmw/en-US+Andrea", rate_wpm=160),
        ("The train leaves at ten minutes past twelve.",),
    ),
)


def speak(sample: Sample, speaker: Speaker) -> Window:
    """Say a sample's sentences one after another.

    Raises:
        ValueError: a sentence is not held out.
    """
    placed, now_s = [], 0.3
    for text in sample.texts:
        if not is_held_out(text):
            raise ValueError(f"{text!r} belongs to the training side")
        utterance = speaker.say(text, sample.delivery)
        placed.append(Placed(utterance, now_s))
        now_s += len(utterance.audio) / SAMPLE_RATE_HZ + _PAUSE_S
    return Window(
        render(placed, now_s, np.random.default_rng(random.Random(sample.name).getrandbits(32))),
        placed,
    )


def main() -> None:
    """Write the samples and their truth."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("tests/data/speech"))
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    speaker, truth = Speaker(), {}
    for sample in SAMPLES:
        window = speak(sample, speaker)
        with wave.open(str(folder / sample.name), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE_HZ)
            file.writeframes(np.rint(window.audio * 32767).astype("<i2").tobytes())
        truth[sample.name] = {
            "text": window.text,
            "language": "en",
            "voice": f"espeak-ng {sample.delivery.voice}",
            "duration_s": round(len(window.audio) / SAMPLE_RATE_HZ, 3),
            "words": [
                {
                    "word": item.utterance.text[word.first : word.last],
                    "start_s": round(item.start_s + word.start_s, 3),
                    "end_s": round(item.start_s + word.end_s, 3),
                    "exact": word.is_exact,
                }
                for item in window.placed
                for word in item.utterance.words
            ],
        }
    (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")


if __name__ == "__main__":
    main()
