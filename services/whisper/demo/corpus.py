"""The spoken corpus on disk: made once with espeak-ng, read through a memory map.

A corpus folder holds `audio.npy` (all utterances one after another, int16, 16 kHz) and
`utterances.jsonl` (one line each: place in the audio, text, delivery, word and phone times). It can
always be made again from its seed. Run `python -m services.whisper.demo.corpus --help` to make one
by hand.
"""

import argparse
import dataclasses
import json
import logging
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.whisper.demo.grammar import is_held_out, sentence
from services.whisper.demo.synth import Delivery, Phone, Speaker, Utterance, Word
from services.whisper.demo.voices import draw_delivery

log = logging.getLogger(__name__)

_CHUNK = 200
_speaker: Speaker | None = None


class Corpus:
    """A corpus folder, opened for reading; utterances are read when asked for."""

    def __init__(self, folder: Path) -> None:
        """Open a folder that `make_corpus` wrote.

        Raises:
            FileNotFoundError: the folder holds no corpus.
        """
        self._folder = folder
        self._audio: NDArray[np.int16] = np.load(folder / "audio.npy", mmap_mode="r")
        with (folder / "utterances.jsonl").open() as lines:
            self._entries = [json.loads(line) for line in lines]
        self.durations_s = np.array([entry["n_samples"] / 16_000 for entry in self._entries])

    def __reduce__(self) -> tuple[type["Corpus"], tuple[Path]]:
        """Travel to another process as the folder, not with all the audio."""
        return Corpus, (self._folder,)

    def __len__(self) -> int:
        """Count the utterances."""
        return len(self._entries)

    def __getitem__(self, index: int) -> Utterance:
        """Read one utterance; its audio stays on disk until it is used."""
        entry = self._entries[index]
        first = entry["offset"]
        return Utterance(
            text=entry["text"],
            delivery=Delivery(**entry["delivery"]),
            audio=self._audio[first : first + entry["n_samples"]],
            words=tuple(Word(*word) for word in entry["words"]),
            phones=tuple(Phone(*phone) for phone in entry["phones"]),
        )

    def texts(self) -> list[str]:
        """All sentences in corpus order."""
        return [entry["text"] for entry in self._entries]


def make_corpus(folder: Path, *, size: int, seed: int, held_out: bool, processes: int = 2) -> None:
    """Speak `size` sentences into a folder, which is replaced file by file.

    Args:
        folder: where to write; made if missing.
        size: number of utterances.
        seed: the same seed and size give the same corpus with the same espeak-ng version.
        held_out: True takes only held-out sentences and held-out voices, False only the others.
        processes: how many synthesise side by side.
    """
    folder.mkdir(parents=True, exist_ok=True)
    starts = range(0, size, _CHUNK)
    pieces: list[NDArray[np.int16]] = []
    offset = 0
    with (
        ProcessPoolExecutor(processes) as pool,
        (folder / "utterances.jsonl").open("w") as lines,
    ):
        jobs = [(first, min(first + _CHUNK, size), seed, held_out) for first in starts]
        for chunk in pool.map(_speak_chunk, jobs):
            for utterance in chunk:
                lines.write(json.dumps(_entry(utterance, offset)) + "\n")
                pieces.append(utterance.audio)
                offset += len(utterance.audio)
            log.info("spoke %.2f hours", offset / 16_000 / 3600)
    np.save(folder / "audio.npy", np.concatenate(pieces))


def draw_sentences(rng: random.Random, *, held_out: bool) -> Iterator[str]:
    """Yield sentences of one side of the split, endlessly; held-out ones never twice."""
    seen: set[str] = set()
    while True:
        text = sentence(rng)
        if is_held_out(text) == held_out and text not in seen:
            yield text
            if held_out:
                seen.add(text)


def _speak_chunk(job: tuple[int, int, int, bool]) -> list[Utterance]:
    global _speaker  # noqa: PLW0603  espeak-ng is one per process
    _speaker = _speaker or Speaker()
    first, last, seed, held_out = job
    rng = random.Random(f"{seed}/{held_out}/{first}")
    texts = draw_sentences(rng, held_out=held_out)
    return [
        _speaker.say(next(texts), draw_delivery(rng, held_out=held_out)) for _ in range(first, last)
    ]


def _entry(utterance: Utterance, offset: int) -> dict[str, object]:
    return {
        "offset": offset,
        "n_samples": len(utterance.audio),
        "text": utterance.text,
        "delivery": dataclasses.asdict(utterance.delivery),
        "words": [
            [word.first, word.last, round(word.start_s, 4), round(word.end_s, 4), word.is_exact]
            for word in utterance.words
        ],
        "phones": [[phone.ipa, round(phone.start_s, 4)] for phone in utterance.phones],
    }


def main() -> None:
    """Make one corpus from the command line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=16_000, help="number of utterances")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--held-out", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    make_corpus(options.folder, size=options.size, seed=options.seed, held_out=options.held_out)


if __name__ == "__main__":
    main()
