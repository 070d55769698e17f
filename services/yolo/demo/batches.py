"""Endless batches of drawn windows for training, and fixed sets for evaluation.

Batch number n of a seed is always the same, so a resumed training goes on where it stopped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from random import Random

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from services.yolo.demo.page import Page, draw_page
from services.yolo.demo.windows import Window, cut
from shared.demo.training import batch_numbers

_WINDOWS_PER_PAGE = 6  # drawing a page costs as much as cutting several windows
_WHOLE_EVERY = 5  # one window in so many shows a whole sheet


@dataclass(frozen=True)
class Batch:
    """What Ultralytics' detection loss takes.

    Attributes:
        pictures: (n, 1, side, side) uint8 grey levels.
        boxes: (n_boxes, 4) float32, centre x, centre y, width, height as fractions of the side.
        class_ids: (n_boxes, 1) float32.
        picture_of_box: (n_boxes,) float32, index of the picture.
    """

    pictures: Tensor
    boxes: Tensor
    class_ids: Tensor
    picture_of_box: Tensor


@dataclass(frozen=True)
class Plan:
    """Which batches to make.

    Attributes:
        seed: of drawings and damage.
        first: number of the first batch.
        size: windows in a batch.
        small_until: earlier batches use `small_px` windows, which cost half.
        small_px: side of those windows.
        large_px: side of all later ones.
    """

    seed: int
    first: int
    size: int
    small_until: int
    small_px: int = 448
    large_px: int = 640


class DrawnWindows(IterableDataset[Batch]):
    """Batches from `plan.first` on; with several workers each takes every k-th."""

    def __init__(self, plan: Plan) -> None:
        """Batches of a plan."""
        self.plan = plan

    def __iter__(self) -> Iterator[Batch]:
        """Endless."""
        cv2.setNumThreads(1)
        for number in batch_numbers(self.plan.first):
            yield make_batch(self.plan, number)


def make_batch(plan: Plan, number: int) -> Batch:
    """Batch `number` of a plan."""
    side = plan.small_px if number < plan.small_until else plan.large_px
    first = number * plan.size
    return collate([window(f"{plan.seed}", first + i, side, 1.0) for i in range(plan.size)])


def window(seed: str, index: int, side_px: int, strength: float) -> Window:
    """Window `index` of a seed; several in a row come from one page."""
    rng = Random(f"window/{seed}/{index}")
    page = _page(f"page/{seed}/{index // _WINDOWS_PER_PAGE}")
    return cut(rng, page, whole=index % _WHOLE_EVERY == 0, strength=strength, side_px=side_px)


def evaluation_windows(count: int, side_px: int = 640) -> list[Window]:
    """A fixed set whose drawings no training seed (a number) can draw."""
    return [window("evaluation", index, side_px, 0.8) for index in range(count)]


def collate(windows: list[Window]) -> Batch:
    """Stack windows of one size."""
    side = windows[0].pixels.shape[0]
    corners = np.concatenate([w.boxes for w in windows]) / side
    low, high = corners[:, :2], corners[:, 2:]
    return Batch(
        pictures=torch.from_numpy(np.stack([w.pixels for w in windows])[:, None]),
        boxes=torch.from_numpy(
            np.concatenate([(low + high) / 2, high - low], axis=1).astype(np.float32)
        ),
        class_ids=torch.from_numpy(
            np.concatenate([w.class_ids for w in windows]).astype(np.float32)[:, None]
        ),
        picture_of_box=torch.from_numpy(
            np.repeat(np.arange(len(windows)), [len(w.boxes) for w in windows]).astype(np.float32)
        ),
    )


@lru_cache(maxsize=2)
def _page(seed: str) -> Page:
    return draw_page(seed)
