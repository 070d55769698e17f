"""Measure a model folder: `python -m services.whisper.demo.evaluate --help`.

Prints the held-out figures as JSON, and with `--data` those on human recordings of a test-data
folder. With `--write-card` the held-out figures go into the folder's `card.json` and
`MODEL_CARD.md`, beside the digest of the weights they were measured on.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.audio import decode_audio

from services.whisper.demo.card import DECLARED_WINDOW_S, MODEL_FOLDER, write_card
from services.whisper.demo.corpus import Corpus, make_corpus
from services.whisper.demo.examination import (
    Listener,
    full_windows,
    plain_words,
    service_results,
    silent_windows,
    single_sentences,
    word_error_rate,
)  # fmt: skip

_EXAMINATION_SEED = 2_026
_FULL_WINDOWS, _SILENT_WINDOWS = 60, 120
_PADDED_S = 10.0  # longer than any sentence of the grammar
WORD_TIME_BAR_S = 0.2
HUMAN_RECORDINGS = (
    "jfk.flac", "columbia.wma", "LJ050-0131.wav", "sonnet_p001.mp3",
    "spk1_snt1.wav", "spk1_snt2.wav", "spk1_snt3.wav", "spk1_snt4.wav", "spk1_snt5.wav",
)  # fmt: skip
"""English recordings with a plain transcript in `speech/truth.json` of the test-data folder."""


@dataclass(frozen=True)
class Figures:
    """Held-out figures; rates and shares are 0 to 1."""

    n_sentences: int
    n_words: int
    wer_clean: float  # one sentence a window, CTranslate2 greedy, padded to 10 s
    wer_noisy: float  # the same with noise, rooms and band limits as in training
    wer_full_window: float  # windows of the declared length, one to four sentences and voices
    wer_clean_30s: float  # the service's engine, padded to 30 s, with times
    word_starts_within_200_ms: float
    word_ends_within_200_ms: float
    median_start_error_s: float
    silent_windows: int
    silent_windows_with_text: int
    batched_equals_single: bool


def measure(folder: Path, *, n_sentences: int = 300, threads: int = 2) -> Figures:
    """Examine a model folder on held-out sentences, spoken afresh by the same rule each time."""
    with tempfile.TemporaryDirectory() as scratch:
        make_corpus(Path(scratch), size=n_sentences, seed=_EXAMINATION_SEED, held_out=True)
        corpus = Corpus(Path(scratch))
        clean, noisy = single_sentences(corpus, noisy=False), single_sentences(corpus, noisy=True)
        full = full_windows(corpus, _FULL_WINDOWS, DECLARED_WINDOW_S)
    listener = Listener(folder, padded_s=_PADDED_S, threads=threads)
    truths = [window.text for window in clean]
    audios = [window.audio for window in clean]
    silent = listener.texts(silent_windows(_SILENT_WINDOWS, DECLARED_WINDOW_S))
    said, errors = service_results(folder, clean, threads=threads)
    starts_s, ends_s = np.array([e.start_s for e in errors]), np.array([e.end_s for e in errors])
    return Figures(
        n_sentences=len(clean),
        n_words=sum(len(plain_words(text).split()) for text in truths),
        wer_clean=word_error_rate(truths, listener.texts(audios)),
        wer_noisy=word_error_rate(truths, listener.texts([window.audio for window in noisy])),
        wer_full_window=word_error_rate(
            [window.text for window in full], listener.texts([w.audio for w in full])
        ),
        wer_clean_30s=word_error_rate(truths, said),
        word_starts_within_200_ms=float(np.mean(starts_s <= WORD_TIME_BAR_S)),
        word_ends_within_200_ms=float(np.mean(ends_s <= WORD_TIME_BAR_S)),
        median_start_error_s=float(np.median(starts_s)),
        silent_windows=len(silent),
        silent_windows_with_text=sum(bool(plain_words(text)) for text in silent),
        batched_equals_single=listener.tokens(audios[:32], batch_size=8)
        == listener.tokens(audios[:32], batch_size=1),
    )


def measure_human(folder: Path, data: Path, *, threads: int = 2) -> dict[str, float]:
    """Word error rate of each English human recording, through faster-whisper with VAD.

    Args:
        folder: model folder.
        data: test-data folder with `speech/truth.json`.
        threads: of CTranslate2.
    """
    truth = json.loads((data / "speech" / "truth.json").read_text())
    model = WhisperModel(str(folder), compute_type="int8", cpu_threads=threads)
    rates = {}
    for name in HUMAN_RECORDINGS:
        audio = decode_audio(str(data / "speech" / name))
        segments, _ = model.transcribe(
            audio, beam_size=1, temperature=0.0, vad_filter=True, condition_on_previous_text=False
        )
        rates[name] = word_error_rate(
            [truth[name]["text"]], [" ".join(segment.text for segment in segments)]
        )
    return rates


def main() -> None:
    """Print the figures of the demo speech model."""
    data = os.environ.get("GANTRY_TEST_DATA")
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--model", type=Path, default=MODEL_FOLDER)
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(data) if data else None,
        help="test data with speech/truth.json",
    )
    parser.add_argument("--sentences", type=int, default=300)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--write-card", action="store_true", help="put the held-out figures into the folder's card"
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    figures = measure(options.model, n_sentences=options.sentences, threads=options.threads)
    report: dict[str, object] = {"model": options.model.name, "held_out": asdict(figures)}
    if options.data is not None:
        report["human_word_error_rates"] = measure_human(
            options.model, options.data, threads=options.threads
        )
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    if options.write_card:
        write_card(options.model, asdict(figures), report.get("human_word_error_rates"))


if __name__ == "__main__":
    main()
