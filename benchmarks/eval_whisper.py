"""``make eval-whisper MODEL=small``: word and character error rates on recordings with a truth.

Meaning can be judged only with weights that know the voices; run it on demand with real ones.
Truths come from ``truth.json`` of a folder (GANTRY_TEST_DATA/speech by default), which gives for
each file its ``text`` and ``lang``. Languages that the model lacks are left out.

English is compared after Whisper's own normaliser, if openai-whisper is installed, else in lower
case without punctuation. Korean is judged by characters without spaces: its spacing is free enough
that words say little. Rates are over all recordings of a language together, with a 95 % interval
by bootstrap over recordings.
"""

import argparse
import asyncio
import json
import os
import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import jiwer
import numpy as np

from services.whisper.app import build
from services.whisper.settings import WhisperSettings
from shared.testing import running_app

PATH = "/v1/audio/transcriptions"
RESAMPLES = 1000


@dataclass(frozen=True)
class Sample:
    """A recording with its truth."""

    path: Path
    text: str
    language: str


@dataclass(frozen=True)
class Counts:
    """Errors of one recording."""

    words: int
    word_errors: int
    characters: int
    character_errors: int


def main(argv: Sequence[str]) -> None:
    """Transcribe, compare, report."""
    parser = argparse.ArgumentParser(prog="make eval-whisper", description=__doc__)
    parser.add_argument("--model", default=os.environ.get("MODEL") or "auto")
    parser.add_argument("--folder", type=Path, help="recordings and truth.json")
    parser.add_argument("--beam-size", type=int, default=5)
    chosen = parser.parse_args(argv)
    folder = chosen.folder or Path(os.environ["GANTRY_TEST_DATA"]) / "speech"
    samples = read_truth(folder)
    counts: dict[str, list[Counts]] = defaultdict(list)
    rows = []
    for sample, said in asyncio.run(transcribe(samples, chosen)):
        found = compare(sample.text, said, sample.language)
        counts[sample.language].append(found)
        rows.append({"file": sample.path.name, "truth": sample.text, "said": said})
    summary = {language: rates(each) for language, each in counts.items()}
    report = {"model": chosen.model, "beam_size": chosen.beam_size, "rates": summary, "rows": rows}
    sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=1) + "\n")


def read_truth(folder: Path) -> list[Sample]:
    """Recordings whose whole text and one language are known."""
    samples = []
    for name, entry in json.loads((folder / "truth.json").read_text()).items():
        text, language = entry.get("text"), entry.get("lang", "")
        if text and len(language) == 2 and (folder / name).is_file():
            samples.append(Sample(folder / name, text, language))
    if not samples:
        raise SystemExit(f"{folder}/truth.json names no recording with a text")
    return samples


async def transcribe(
    samples: Sequence[Sample], chosen: argparse.Namespace
) -> list[tuple[Sample, str]]:
    """Texts, one recording after the other, through the whole service."""
    said = []
    settings = WhisperSettings(model=chosen.model, beam_size=chosen.beam_size)
    async with running_app(build(settings)) as client:
        (model, *_) = (await client.get("/info")).json()["models"]
        for sample in samples:
            if sample.language in model.get("languages", [sample.language]):
                said.append((sample, await _one(client, sample)))
    return said


async def _one(client: httpx.AsyncClient, sample: Sample) -> str:
    answer = await client.post(
        PATH,
        files={"file": ("recording", sample.path.read_bytes())},
        data={"language": sample.language, "response_format": "text"},
        headers={"X-Request-Timeout-Ms": "3600000"},
    )
    answer.raise_for_status()
    return answer.text.strip()


def compare(truth: str, said: str, language: str) -> Counts:
    """Errors of one text; characters are compared without spaces."""
    plain = normaliser(language)
    truth, said = plain(truth), plain(said)
    words = jiwer.process_words(truth, said)
    characters = jiwer.process_characters(truth.replace(" ", ""), said.replace(" ", ""))
    return Counts(
        words.hits + words.substitutions + words.deletions,
        words.substitutions + words.deletions + words.insertions,
        characters.hits + characters.substitutions + characters.deletions,
        characters.substitutions + characters.deletions + characters.insertions,
    )


def normaliser(language: str) -> Callable[[str], str]:
    """How texts of a language are made comparable."""
    if language == "en":
        try:
            from whisper.normalizers import EnglishTextNormalizer
        except ImportError:
            return plain_text
        return EnglishTextNormalizer()  # type: ignore[no-any-return] # untyped library
    return plain_text


def plain_text(text: str) -> str:
    """Lower case, NFC, no punctuation, single spaces. Hangul is left whole (no NFKD)."""
    composed = unicodedata.normalize("NFC", text).lower()
    kept = "".join(
        each if unicodedata.category(each)[0] in "LNMZ" or each == "'" else " " for each in composed
    )
    return re.sub(r"\s+", " ", kept).strip()


def rates(counts: Sequence[Counts]) -> dict[str, float | list[float]]:
    """Error rates over all recordings together, with bootstrap intervals."""
    table = np.array(
        [[c.words, c.word_errors, c.characters, c.character_errors] for c in counts], float
    )
    rng = np.random.default_rng(0)
    sums = table[rng.integers(len(table), size=(RESAMPLES, len(table)))].sum(axis=1)
    total = table.sum(axis=0)
    return {
        "recordings": len(counts),
        "word_error_rate": round(total[1] / total[0], 4),
        "word_error_rate_95": _interval(sums[:, 1] / np.maximum(sums[:, 0], 1)),
        "character_error_rate": round(total[3] / total[2], 4),
        "character_error_rate_95": _interval(sums[:, 3] / np.maximum(sums[:, 2], 1)),
    }


def _interval(values: np.ndarray) -> list[float]:
    return [round(float(each), 4) for each in np.quantile(values, [0.025, 0.975])]


if __name__ == "__main__":
    main(sys.argv[1:])
