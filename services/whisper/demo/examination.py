"""Held-out windows and the figures that are measured on them.

Voices and sentences of the examination were never taught (`voices.HELD_OUT_VARIANTS`,
`grammar.is_held_out`), and its noises come from another seed. The measured thing is the exported
folder, through CTranslate2 and the service's own engine.
"""

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np
from ctranslate2 import StorageView
from ctranslate2.models import Whisper
from faster_whisper.audio import pad_or_trim
from faster_whisper.feature_extractor import FeatureExtractor

from services.whisper.demo.augment import Audio, Room
from services.whisper.demo.corpus import Corpus
from services.whisper.demo.features import N_MELS
from services.whisper.demo.synth import SAMPLE_RATE_HZ
from services.whisper.demo.tokenizer import load_tokenizer, token_ids
from services.whisper.demo.windows import Placed, lay_out, render
from services.whisper.engines.ct2 import Recogniser
from services.whisper.engines.listener import log_mel
from services.whisper.pauses import out_of_pauses
from services.whisper.speech import SpeechRules
from services.whisper.tasks import DecodeOptions, WindowTask

SERVICE_DIR = Path(__file__).parents[1]
_LEAD_S = _TAIL_S = SpeechRules().pad_s
"""Silence around a sentence: what the service's detector leaves."""

_SEED = 20_260
_MAX_TOKENS = 200


@dataclass(frozen=True)
class Window:
    """One stretch of audio with its truth."""

    audio: Audio
    placed: list[Placed]

    @property
    def text(self) -> str:
        """All that is said, in order."""
        return " ".join(item.utterance.text for item in self.placed)


@dataclass(frozen=True)
class WordError:
    """Distance of one recognised word's times from the synthesiser's own."""

    start_s: float
    end_s: float


class Listener:
    """Greedy decoding with CTranslate2 alone, without fallback: what the weights themselves say."""

    def __init__(self, folder: Path, *, padded_s: float, threads: int = 2) -> None:
        """Load a model folder; every window is padded with zero features to `padded_s`."""
        self._model = Whisper(str(folder), compute_type="int8", intra_threads=threads)
        self._tokenizer = load_tokenizer(folder / "tokenizer.json")
        self._ids = token_ids(self._tokenizer)
        self._features = FeatureExtractor()
        self._n_frames = round(padded_s * 100)

    def tokens(self, audios: Sequence[Audio], *, batch_size: int = 8) -> list[list[int]]:
        """Token ids said in each window."""
        said: list[list[int]] = []
        for first in range(0, len(audios), batch_size):
            rows = [
                pad_or_trim(self._features(audio), self._n_frames)
                for audio in audios[first : first + batch_size]
            ]
            view = StorageView.from_array(np.ascontiguousarray(np.stack(rows), np.float32))
            prompts = [[self._ids.sot, self._ids.no_timestamps]] * len(rows)
            results = self._model.generate(view, prompts, beam_size=1, max_length=2 * _MAX_TOKENS)
            said.extend(result.sequences_ids[0] for result in results)
        return said

    def texts(self, audios: Sequence[Audio]) -> list[str]:
        """Text said in each window."""
        return [self._tokenizer.decode(tokens).strip() for tokens in self.tokens(audios)]


def single_sentences(corpus: Corpus, *, noisy: bool) -> list[Window]:
    """One window per utterance, with silence around it; `noisy` disturbs it as training does."""
    rng, room = np.random.default_rng(_SEED), Room(_SEED)
    windows = []
    for index in range(len(corpus)):
        placed = [Placed(corpus[index], _LEAD_S)]
        length_s = _LEAD_S + float(corpus.durations_s[index]) + _TAIL_S
        audio = render(placed, length_s, rng)
        windows.append(Window(room.disturb(audio, rng) if noisy else audio, placed))
    return windows


def full_windows(corpus: Corpus, count: int, length_s: float) -> list[Window]:
    """Windows of the model's full length with several utterances of different voices, clean."""
    rng = np.random.default_rng(_SEED + 1)
    laid_out = [lay_out(corpus, length_s, rng) for _ in range(count)]
    return [Window(render(placed, length_s, rng), placed) for placed in laid_out]


def silent_windows(count: int, length_s: float) -> list[Audio]:
    """Windows in which nobody speaks: digital silence and noises at all levels."""
    rng, room = np.random.default_rng(_SEED + 2), Room(_SEED + 2)
    return [room.without_speech(round(length_s * SAMPLE_RATE_HZ), rng) for _ in range(count)]


def plain_words(text: str) -> str:
    """Lower case, no punctuation except the apostrophe: the form in which words are compared."""
    kept = re.sub(
        f"[{re.escape(string.punctuation.replace(chr(39), ''))}]",
        " ",
        text.replace("’", "'").lower(),
    )
    return " ".join(kept.split())


def word_error_rate(truths: Sequence[str], said: Sequence[str]) -> float:
    """Errors over all words of all windows together."""
    return float(
        jiwer.wer([plain_words(text) for text in truths], [plain_words(text) for text in said])
    )


def service_results(
    folder: Path, windows: Sequence[Window], *, threads: int = 2
) -> tuple[list[str], list[WordError]]:
    """Recognise as the service does (30 s padding, times, greedy here); time right words."""
    engine = Recogniser(
        {
            "service_dir": str(SERVICE_DIR), "models_dir": str(folder.parent),
            "model": str(folder), "device": "cpu", "compute_type": "int8", "threads": threads,
            "beam_size": 1, "replicas": 1, "max_batch_size": 1,
        }
    )  # fmt: skip
    engine.load()
    said, errors = [], []
    for window in windows:
        features = log_mel(window.audio, n_mels=N_MELS)
        length_s = len(window.audio) / SAMPLE_RATE_HZ
        (result,) = engine.run(
            DecodeOptions(beam_size=1), [WindowTask(features, length_s, "en", has_words=True)]
        )
        words = out_of_pauses(result.words, features)
        said.append(result.text)
        errors.extend(
            _word_errors(window, [(word.text, word.start_s, word.end_s) for word in words])
        )
    engine.close()
    return said, errors


def _word_errors(window: Window, heard: list[tuple[str, float, float]]) -> list[WordError]:
    true = [
        (plain_words(item.utterance.text[word.first : word.last]), item.start_s + word.start_s,
         item.start_s + word.end_s, word.is_exact)
        for item in window.placed for word in item.utterance.words
    ]  # fmt: skip
    heard = [
        (plain_words(text), start_s, end_s) for text, start_s, end_s in heard if plain_words(text)
    ]
    if not heard:
        return []
    alignment = jiwer.process_words(
        " ".join(word[0] for word in true), " ".join(word[0] for word in heard)
    )
    errors = []
    for chunk in alignment.alignments[0]:
        if chunk.type != "equal":
            continue
        for here, there in zip(
            range(chunk.ref_start_idx, chunk.ref_end_idx),
            range(chunk.hyp_start_idx, chunk.hyp_end_idx),
            strict=True,
        ):
            _, start_s, end_s, is_exact = true[here]
            if is_exact:
                errors.append(
                    WordError(abs(heard[there][1] - start_s), abs(heard[there][2] - end_s))
                )
    return errors
