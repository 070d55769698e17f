"""Trains `demo-drawing-symbols` on drawn sheets: `python -m services.yolo.demo.train`.

A YOLO11n from nothing, no pretrained weights.

Ultralytics gives network and loss. Its trainer is not used: it wants files and epochs, and on a CPU
it computes in float32; here every batch is drawn anew, and bfloat16 matrix units make training
several times faster.

`--minutes` counts processor time on a CPU, which others may share, and wall time on a GPU. The
learning rate follows the time used, so that any number of minutes ends with a finished model. A
checkpoint is written every few minutes; `--resume` goes on from it with the batches that would have
followed.
"""

import argparse
import copy
import logging
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from services.yolo.demo.accuracy import Found, Truth, mean_average_precision
from services.yolo.demo.batches import Batch, DrawnWindows, Plan, evaluation_windows
from services.yolo.demo.classes import CLASS_NAMES
from services.yolo.demo.windows import Window
from services.yolo.engines.torchvision_ops import ensure_torchvision

log = logging.getLogger(__name__)

ARCHITECTURE = "yolo11n.yaml"
_PEAK_LEARNING_RATE = 2e-3
_WARM_UP = 0.03  # of the training time
_AVERAGE_DECAY = 0.998  # of the averaged weights that are exported
_LOG_EVERY = 50
_CHECK_WINDOWS = 16
_CHECK_CONFIDENCE = 0.1  # low ones cost more time than they tell


@dataclass(frozen=True)
class Options:
    """What the command line sets."""

    minutes: float
    seed: int
    device: str
    threads: int
    workers: int
    batch_size: int
    small_batches: int
    checkpoint: Path
    checkpoint_every_s: float
    resume: bool


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


class Training:
    """The state that a checkpoint keeps."""

    def __init__(self, options: Options) -> None:
        """Untrained."""
        torch.manual_seed(options.seed)
        self.options = options
        self.device = torch.device(options.device)
        self.model = new_model().to(self.device)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's types
        self.average = copy.deepcopy(self.model).eval()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, weight_decay=0.01)
        self.batches_done = 0
        self.pictures_done = 0
        self.seconds_done = 0.0
        self.wall_seconds_done = 0.0

    def save(self) -> None:
        """Write the checkpoint; a crash while writing leaves the old one."""
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "batches_done": self.batches_done,
            "pictures_done": self.pictures_done,
            "seconds_done": self.seconds_done,
            "wall_seconds_done": self.wall_seconds_done,
            "device_name": device_name(self.device),
            "options": {key: str(value) for key, value in asdict(self.options).items()},
        }
        partial = self.options.checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self.options.checkpoint)

    def load(self) -> None:
        """Go on from the checkpoint."""
        state = torch.load(self.options.checkpoint, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.batches_done = state["batches_done"]
        self.pictures_done = state["pictures_done"]
        self.seconds_done = state["seconds_done"]
        self.wall_seconds_done = state["wall_seconds_done"]


def clock_s(device: torch.device) -> float:
    """Time that counts as training: this process's own on a CPU, which may be shared, else wall."""
    return time.process_time() if device.type == "cpu" else time.monotonic()


def device_name(device: torch.device) -> str:
    """What trained, for the model card."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{os.cpu_count()} shared CPU cores ({torch.backends.cpu.get_cpu_capability()})"


def train(options: Options) -> Training:
    """Train until the minutes are used up, those of a resumed checkpoint counted in."""
    training = Training(options)
    torch.set_num_threads(options.threads)  # after Ultralytics, which sets its own number
    if options.resume:
        training.load()
    options.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    plan = Plan(options.seed, training.batches_done, options.batch_size, options.small_batches)
    loader = DataLoader(
        DrawnWindows(plan),
        batch_size=None,
        num_workers=options.workers,
        prefetch_factor=4 if options.workers else None,
        # A forked child would inherit the locks of OpenCV's and PyTorch's threads and hang on them.
        multiprocessing_context="spawn" if options.workers else None,
    )
    check_set = evaluation_windows(_CHECK_WINDOWS)
    budget_s = options.minutes * 60
    last_s, last_wall_s = clock_s(training.device), time.monotonic()
    saved = last_wall_s
    losses: list[Tensor] = []
    for batch in loader:
        losses.append(_step(training, batch, training.seconds_done / budget_s))
        now_s, now = clock_s(training.device), time.monotonic()
        training.seconds_done += now_s - last_s
        training.wall_seconds_done += now - last_wall_s
        last_s, last_wall_s = now_s, now
        is_over = training.seconds_done >= budget_s
        if training.batches_done % _LOG_EVERY == 0:
            _report(training, losses)
            losses.clear()
        if now - saved > options.checkpoint_every_s or is_over:
            training.save()
            saved = time.monotonic()
            log.info("mAP50 on held-out windows %.3f", check(training.average, check_set)["all"])
        if is_over:
            break
    return training


def _step(training: Training, batch: Batch, progress: float) -> Tensor:
    """One update; returns the losses of box, class and distribution of the box's edges."""
    for group in training.optimizer.param_groups:
        group["lr"] = _learning_rate(progress)
    training.model.train()
    device = training.device
    pictures = as_input(batch.pictures.to(device))
    with torch.autocast(device.type, torch.bfloat16):
        scores = training.model(pictures)
    target = {
        "img": pictures,
        "cls": batch.class_ids.to(device),
        "bboxes": batch.boxes.to(device),
        "batch_idx": batch.picture_of_box.to(device),
    }
    detector: Any = training.model
    loss: Tensor = detector.loss(target, _as_float32(scores))[0]
    training.optimizer.zero_grad(set_to_none=True)
    loss.sum().div(len(pictures)).backward()  # type: ignore[no-untyped-call]  # torch leaves it so
    nn.utils.clip_grad_norm_(training.model.parameters(), 10.0)
    training.optimizer.step()
    training.batches_done += 1
    training.pictures_done += len(pictures)
    _follow(training)
    return loss.detach().cpu() / len(pictures)


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


def _learning_rate(progress: float) -> float:
    """Linear warm-up, then a cosine down to a hundredth of the peak."""
    if progress < _WARM_UP:
        return _PEAK_LEARNING_RATE * max(0.05, progress / _WARM_UP)
    rest = min(1.0, (progress - _WARM_UP) / (1 - _WARM_UP))
    return _PEAK_LEARNING_RATE * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * rest)))


@torch.no_grad()
def _follow(training: Training) -> None:
    """Move the averaged weights towards the current ones; faster at first, when these still run."""
    decay = min(_AVERAGE_DECAY, training.batches_done / (training.batches_done + 20))
    pairs = zip(
        training.average.state_dict().values(), training.model.state_dict().values(), strict=True
    )
    for average, current in pairs:
        if average.is_floating_point():
            average.lerp_(current, 1 - decay)
        else:
            average.copy_(current)


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


def _report(training: Training, losses: list[Tensor]) -> None:
    box, classes, distribution = torch.stack(losses).mean(dim=0).tolist()
    log.info(
        "%5.1f of %.0f min, batch %d, loss box %.3f class %.3f edges %.3f, learning rate %.1e",
        training.seconds_done / 60,
        training.options.minutes,
        training.batches_done,
        box,
        classes,
        distribution,
        training.optimizer.param_groups[0]["lr"],
    )


def _parse() -> Options:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60, help="training time, see above")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the network")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument(
        "--small-batches", type=int, default=1200, help="first batches, of 448 px windows"
    )
    parser.add_argument("--checkpoint", type=Path, default=Path("var/demo-drawing-symbols.pt"))
    parser.add_argument("--checkpoint-every-s", type=float, default=300)
    parser.add_argument("--resume", action="store_true")
    return Options(**vars(parser.parse_args()))


def main() -> None:
    """Entry point."""
    os.environ.setdefault("YOLO_OFFLINE", "1")
    os.environ.setdefault("YOLO_AUTOINSTALL", "0")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(_parse())


if __name__ == "__main__":
    main()
