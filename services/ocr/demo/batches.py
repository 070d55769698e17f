"""Endless batches of rendered lines for training, and fixed sets for evaluation.

Batch number n of a seed is always the same, so a resumed training goes on where it stopped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from services.ocr.demo.alphabet import encode
from services.ocr.demo.distort import distort
from services.ocr.demo.fonts import FontSet, training_fonts
from services.ocr.demo.network import FRAME_PX
from services.ocr.demo.render import LINE_HEIGHT_PX, GrayImage, render_line
from services.ocr.demo.text import random_line
from shared.demo.training import batch_numbers

# A CPU prepares its kernels anew for every shape of batch, so there are few shapes.
_WIDTHS_PX = (64, 128, 192, 256, 320)
_BATCH_COLUMNS_PX = 14336  # width of all lines of a batch together: 56 lines of 256 px
_WIDEST_CHARACTER_PX = 40
_NARROW_CHARACTER_PX = 22
_EASY_BATCHES = (
    400  # the first ones are short and clean, so that shapes are learned before everything else
)


@dataclass(frozen=True)
class Batch:
    """Lines of similar length.

    Attributes:
        pictures: (n, 1, 48, width) uint8; right of a short line 127, which scales to 0.
        classes: concatenated classes of all lines.
        lengths: (n,) characters in each line.
        centers: (n_characters, 3): line, step of the character's middle, class.
    """

    pictures: Tensor
    classes: Tensor
    lengths: Tensor
    centers: Tensor


class RenderedLines(IterableDataset[Batch]):
    """Batches from number `first` on; with several workers each takes every k-th."""

    def __init__(self, seed: int, first: int) -> None:
        """Batches `first`, `first` + 1 and so on of a seed."""
        self.seed = seed
        self.first = first

    def __iter__(self) -> Iterator[Batch]:
        """Endless."""
        cv2.setNumThreads(1)
        fonts = training_fonts()
        for number in batch_numbers(self.first):
            yield make_batch(self.seed, number, fonts)


def make_batch(seed: int, number: int, fonts: FontSet) -> Batch:
    """Batch `number` of a seed."""
    rng = Random(f"{seed}/{number}")
    progress = min(1.0, number / _EASY_BATCHES)
    width = rng.choice(_WIDTHS_PX[: 2 + round(progress * len(_WIDTHS_PX))])
    strength = 0.3 + 0.7 * progress
    pictures: list[GrayImage] = []
    classes: list[int] = []
    lengths: list[int] = []
    centers: list[tuple[int, int, int]] = []
    for index in range(_BATCH_COLUMNS_PX // width):
        text = random_line(
            rng, rng.randint(width // _WIDEST_CHARACTER_PX // 2, width // _NARROW_CHARACTER_PX)
        )
        line = render_line(rng, text, fonts, width)
        pictures.append(distort(rng, line.pixels, strength * rng.random() ** 0.5))
        codes = encode(line.text)
        steps = [int(center / FRAME_PX) for center in line.centers_px]
        centers += [
            (index, step, code)
            for step, code in zip(steps, codes, strict=True)
            if steps.count(step) == 1
        ]
        classes += codes
        lengths.append(len(codes))
    return Batch(
        pictures=torch.from_numpy(pad(pictures, width)),
        classes=torch.tensor(classes),
        lengths=torch.tensor(lengths),
        centers=torch.tensor(centers).reshape(-1, 3),
    )


def pad(pictures: list[GrayImage], width_px: int) -> GrayImage:
    """Stack pictures on grey paper, (n, 1, 48, width_px)."""
    stacked = np.full((len(pictures), 1, LINE_HEIGHT_PX, width_px), 127, np.uint8)
    for index, picture in enumerate(pictures):
        stacked[index, 0, :, : picture.shape[1]] = picture
    return stacked


def evaluation_lines(
    seed: int, count: int, fonts: FontSet, strength: float, max_length: int = 12
) -> list[tuple[GrayImage, str]]:
    """A fixed set of pictures and what they say."""
    rng = Random(f"evaluation/{seed}")
    lines = []
    for _ in range(count):
        line = render_line(rng, random_line(rng, rng.randint(2, max_length)), fonts)
        lines.append((distort(rng, line.pixels, strength), line.text))
    return lines
