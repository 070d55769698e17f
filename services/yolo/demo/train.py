"""Trains `demo-drawing-symbols` on drawn sheets: `python -m services.yolo.demo.train`.

A YOLO11n from nothing, no pretrained weights. Time, checkpoints and `--resume` are those of
`shared.demo.training`.

Ultralytics gives network and loss. Its trainer is not used: it wants files and epochs, and on a CPU
it computes in float32; here every batch is drawn anew, and bfloat16 matrix units make training
several times faster.
"""

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from services.yolo.demo.accuracy import Found, Truth, mean_average_precision
from services.yolo.demo.batches import Batch, DrawnWindows, Plan, evaluation_windows
from services.yolo.demo.classes import CLASS_NAMES
from services.yolo.demo.windows import Window
from services.yolo.engines.torchvision_ops import ensure_torchvision
from shared.demo.training import Training, TrainingOptions, argument_parser

ARCHITECTURE = "yolo11n.yaml"
_CHECK_WINDOWS = 16
_CHECK_CONFIDENCE = 0.1  # low ones cost more time than they tell


def new_model() -> nn.Module:
    """An untrained YOLO11n for our classes."""
    ensure_torchvision()
    from ultralytics.cfg import get_cfg
    from ultralytics.nn.tasks import DetectionModel

    make: Any = DetectionModel
    model: Any = make(ARCHITECTURE, nc=len(CLASS_NAMES), verbose=False)
    model.args = get_cfg()  # the loss reads its weights from here
    model.names = dict(enumerate(CLASS_NAMES))
    untrained: nn.Module = model
    return untrained


class DetectorTraining(Training[nn.Module, Batch]):
    """Trains the detector."""

    log_every = 50

    def __init__(self, options: TrainingOptions) -> None:
        """Untrained."""
        torch.manual_seed(options.seed)
        super().__init__(new_model(), options)
        self._check_set = evaluation_windows(_CHECK_WINDOWS)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Losses of the boxes, the classes and the distribution of the boxes' edges."""
        pictures = as_input(batch.pictures.to(self.device))
        with torch.autocast(self.device.type, torch.bfloat16):
            scores = self.model(pictures)
        target = {
            "img": pictures,
            "cls": batch.class_ids.to(self.device),
            "bboxes": batch.boxes.to(self.device),
            "batch_idx": batch.picture_of_box.to(self.device),
        }
        detector: Any = self.model
        parts: Tensor = detector.loss(target, _as_float32(scores))[0] / len(pictures)
        return dict(zip(("box", "class", "edges"), parts, strict=True))

    def size(self, batch: Batch) -> int:
        """Number of windows."""
        return len(batch.pictures)

    def check(self) -> str:
        """MAP50 of the averaged weights on a few held-out windows."""
        return f"mAP50 on held-out windows {check(self.average, self._check_set)['all']:.3f}"


def as_input(pictures: Tensor) -> Tensor:
    """Grey levels (n, 1, h, w) uint8 to what YOLO takes, (n, 3, h, w) in [0, 1]."""
    scaled = pictures.float().div_(255).expand(-1, 3, -1, -1)
    return scaled.contiguous(memory_format=torch.channels_last)


Scores = Tensor | dict[str, "Scores"] | list["Scores"]


def _as_float32(scores: Scores) -> Scores:
    if isinstance(scores, Tensor):
        return scores.float()
    if isinstance(scores, dict):
        return {key: _as_float32(value) for key, value in scores.items()}
    return [_as_float32(value) for value in scores]


@torch.no_grad()
def check(model: nn.Module, windows: list[Window]) -> dict[str, float]:
    """mAP50 of a model in training on a few windows."""
    from ultralytics.utils.nms import non_max_suppression

    device = next(model.parameters()).device
    found = []
    for window in windows:
        picture = torch.from_numpy(window.pixels[None, None]).to(device)
        rows = (
            non_max_suppression(
                model(as_input(picture)), conf_thres=_CHECK_CONFIDENCE, iou_thres=0.6
            )[0]
            .cpu()
            .numpy()
        )
        found.append(Found(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64)))
    return mean_average_precision(found, [Truth(w.boxes, w.class_ids) for w in windows])


def main() -> None:
    """Entry point."""
    os.environ.setdefault("YOLO_OFFLINE", "1")
    os.environ.setdefault("YOLO_AUTOINSTALL", "0")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argument_parser(__doc__, Path("var/demo-drawing-symbols.pt"))
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument(
        "--small-batches", type=int, default=1200, help="first batches, of 448 px windows"
    )
    given = vars(parser.parse_args())
    size, small_until = given.pop("batch_size"), given.pop("small_batches")
    training = DetectorTraining(TrainingOptions(**given))
    training.run(lambda first: DrawnWindows(Plan(training.options.seed, first, size, small_until)))


if __name__ == "__main__":
    main()
