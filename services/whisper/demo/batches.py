"""An endless stream of training batches whose difficulty follows the progress of the training.

Early batches are short and almost clean, so that the network finds out quickly what listening is;
later ones are as long as the declared window, noisy, padded to 30 s like faster-whisper pads, and
preceded by other text. Batch number n of a seed is drawn alike at the same progress, so a resumed
training goes on where it stopped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from services.whisper.demo.augment import Room
from services.whisper.demo.corpus import Corpus
from services.whisper.demo.features import FRAMES_PER_S, LogMel, mask_bands, warp_voice
from services.whisper.demo.model import MAX_FRAMES
from services.whisper.demo.windows import (
    WINDOW_S,
    TargetMaker,
    Targets,
    lay_out,
    phone_labels,
    render,
)
from shared.demo.training import batch_numbers

SHARE_WITHOUT_SPEECH = 0.08
_SHARE_WITH_PREVIOUS = 0.15
_FEWEST_WINDOWS = 4
IGNORED = -100
"""Target where nothing is asked."""

Curriculum: TypeAlias = "Synchronized[float]"
"""How far the training has come, 0 to 1."""


@dataclass(frozen=True)
class Batch:
    """Windows of one length."""

    features: Tensor  # (batch, n_mels, 2 n) float32
    tokens: Tensor  # (batch, n_tokens) int64
    targets: Tensor  # (batch, n_tokens) int64, -100 where nothing is asked
    spans: Tensor  # (batch, n_tokens, 2) int64, encoder frames [first, last), -1 where free
    phones: Tensor  # (batch, n) int64
    offset: int  # encoder position of the first frame


@dataclass(frozen=True)
class Plan:
    """What kind of batch to make."""

    audio_s: float  # length of the audio
    padded_s: float  # length after padding the features with zeros, at least `audio_s`
    disturbance: float  # 0 clean to 1 full
    previous: bool  # some windows follow other text


class BatchStream(IterableDataset[Batch]):
    """Batches from number `first` on; with several workers each takes every k-th."""

    def __init__(
        self, corpus: Corpus, maker: TargetMaker, phone_ids: dict[str, int], *, seed: int,
        first: int, progress: Curriculum, batch_s: float = 40.0,
    ) -> None:  # fmt: skip
        """Prepare the stream.

        Args:
            corpus: utterances to draw from.
            maker: writes token targets.
            phone_ids: label of each known phone; 0 is silence.
            seed: fixes the choices of each batch.
            first: number of the first batch.
            progress: moved on by the training.
            batch_s: seconds of padded audio in a batch.
        """
        self._corpus, self._maker, self._phone_ids = corpus, maker, phone_ids
        self._seed, self._first = seed, first
        self._progress, self._batch_s = progress, batch_s

    def __iter__(self) -> Iterator[Batch]:
        """Endless."""
        room, log_mel = Room(self._seed), LogMel()
        for number in batch_numbers(self._first):
            rng = np.random.default_rng([self._seed, number])
            yield self._make(draw_plan(self._progress.value, rng), rng, room, log_mel)

    def _make(
        self,
        plan: Plan,
        rng: np.random.Generator,
        room: Room,
        log_mel: LogMel,
    ) -> Batch:
        n_frames = int(plan.padded_s * FRAMES_PER_S) // 2
        offset = 0 if rng.random() < 0.5 else int(rng.integers(MAX_FRAMES - n_frames + 1))
        audios, targets, phones = [], [], []
        for _ in range(max(_FEWEST_WINDOWS, round(self._batch_s / plan.padded_s))):
            placed = (
                []
                if rng.random() < SHARE_WITHOUT_SPEECH
                else lay_out(self._corpus, plan.audio_s, rng)
            )
            if placed:
                audio = room.disturb(
                    render(placed, plan.audio_s, rng), rng, strength=plan.disturbance
                )
            else:
                audio = room.without_speech(round(plan.audio_s * 16_000), rng)
            has_previous = plan.previous and rng.random() < _SHARE_WITH_PREVIOUS
            previous = self._some_text(rng) if has_previous else ""
            audios.append(audio)
            targets.append(self._maker.make(placed, rng, offset=offset, previous=previous))
            phones.append(phone_labels(placed, n_frames, self._phone_ids))
        features = log_mel(torch.from_numpy(np.stack(audios)))
        factors = torch.from_numpy(rng.uniform(0.92, 1.08, len(audios)).astype(np.float32))
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        features = mask_bands(warp_voice(features, factors), generator)
        features = torch.nn.functional.pad(features, (0, 2 * n_frames - features.shape[2]))
        return collate(features, targets, torch.from_numpy(np.stack(phones)), offset)

    def _some_text(self, rng: np.random.Generator) -> str:
        texts = [
            self._corpus[int(rng.integers(len(self._corpus)))].text
            for _ in range(rng.integers(1, 12))
        ]
        return " ".join(texts)


def draw_plan(progress: float, rng: np.random.Generator) -> Plan:
    """Choose the kind of the next batch for a progress of 0 to 1."""
    disturbance = min(1.0, 0.3 + progress)
    short_s, long_s = _even(float(rng.uniform(2.5, 5.0))), _even(float(rng.uniform(4.0, WINDOW_S)))
    kind = rng.random()
    if progress < 0.4 or kind < 0.45:
        return Plan(short_s, short_s, disturbance, previous=False)
    if progress < 0.65 or kind < 0.8:
        return Plan(long_s, long_s, disturbance, previous=progress >= 0.65)
    padded_s = 30.0 if kind < 0.9 else _even(float(rng.uniform(long_s, 20.0)))
    return Plan(long_s, padded_s, disturbance, previous=True)


def collate(features: Tensor, targets: list[Targets], phones: Tensor, offset: int) -> Batch:
    """Stack windows; shorter token sequences are filled up with what the loss ignores."""
    longest = max(len(item.tokens) for item in targets)
    tokens = torch.zeros((len(targets), longest), dtype=torch.long)
    wanted = torch.full((len(targets), longest), IGNORED, dtype=torch.long)
    spans = torch.full((len(targets), longest, 2), -1, dtype=torch.long)
    for row, item in enumerate(targets):
        count = len(item.tokens)
        tokens[row, :count] = torch.tensor(item.tokens)
        wanted[row, :count] = torch.tensor(item.targets)
        spans[row, :count] = torch.tensor(item.spans)
    return Batch(features, tokens, wanted, spans, phones, offset)


def _even(length_s: float) -> float:
    """Round to a tenth of a second, so that mel frames come in pairs."""
    return round(length_s, 1)
