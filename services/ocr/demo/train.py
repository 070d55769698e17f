"""Trains `demo-ocr-ko` from nothing on rendered text: `python -m services.ocr.demo.train`.

`--minutes` counts processor time on a CPU, which others may share, and wall time on a GPU. The
learning rate follows the time used, so that any number of minutes ends with a finished model. A
checkpoint is written every few minutes; `--resume` goes on from it with the batches that would have
followed. A CPU with bfloat16 matrix units uses them; more than one thread only helps an idle one.
"""

import argparse
import copy
import logging
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from services.ocr.demo.accuracy import character_error_rate
from services.ocr.demo.alphabet import BLANK_CLASS, decode
from services.ocr.demo.batches import Batch, RenderedLines, evaluation_lines, pad
from services.ocr.demo.fonts import held_out_fonts
from services.ocr.demo.network import FRAME_PX, Recogniser
from services.ocr.demo.render import GrayImage

log = logging.getLogger(__name__)

_PEAK_LEARNING_RATE = 2e-3
_WARM_UP = 0.03  # of the training time
_AVERAGE_DECAY = 0.998  # of the averaged weights that are exported
# Weight of the loss at known character middles, which spares CTC the search for the alignment.
_CENTER_WEIGHT = 0.5
_LOG_EVERY = 100
_CHECK_LINES = 150


@dataclass(frozen=True)
class Options:
    """What the command line sets."""

    minutes: float
    seed: int
    device: str
    threads: int
    workers: int
    checkpoint: Path
    checkpoint_every_s: float
    resume: bool


class Training:
    """The state that a checkpoint keeps."""

    def __init__(self, options: Options) -> None:
        """Untrained."""
        torch.manual_seed(options.seed)
        self.options = options
        self.device = torch.device(options.device)
        self.model = Recogniser().to(self.device)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's types
        self.average = copy.deepcopy(self.model).eval()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, weight_decay=0.02)
        self.batches_done = 0
        self.lines_done = 0
        self.seconds_done = 0.0
        self.wall_seconds_done = 0.0

    def save(self) -> None:
        """Write the checkpoint; a crash while writing leaves the old one."""
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "batches_done": self.batches_done,
            "lines_done": self.lines_done,
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
        self.lines_done = state["lines_done"]
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
    torch.set_num_threads(options.threads)
    training = Training(options)
    if options.resume:
        training.load()
    options.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    loader = DataLoader(
        RenderedLines(options.seed, training.batches_done),
        batch_size=None,
        num_workers=options.workers,
        prefetch_factor=4 if options.workers else None,
        # A forked child would inherit the locks of OpenCV's and PyTorch's threads and hang on them.
        multiprocessing_context="spawn" if options.workers else None,
    )
    check_set = evaluation_lines(0, _CHECK_LINES, held_out_fonts(), strength=0.5)
    budget_s = options.minutes * 60
    last_s, last_wall_s = clock_s(training.device), time.monotonic()
    saved = last_wall_s
    losses: list[float] = []
    for batch in loader:
        losses.append(_step(training, batch, training.seconds_done / budget_s))
        now_s, now = clock_s(training.device), time.monotonic()
        training.seconds_done += now_s - last_s
        training.wall_seconds_done += now - last_wall_s
        last_s, last_wall_s = now_s, now
        if training.batches_done % _LOG_EVERY == 0:
            _report(training, losses)
            losses.clear()
        if now - saved > options.checkpoint_every_s or training.seconds_done >= budget_s:
            training.save()
            saved = time.monotonic()
            error_rate = character_error_rate(read_lines(training.average, check_set))
            log.info("character error on held-out fonts %.2f %%", 100 * error_rate)
        if training.seconds_done >= budget_s:
            break
    return training


def _step(training: Training, batch: Batch, progress: float) -> float:
    """One update; returns the loss."""
    for group in training.optimizer.param_groups:
        group["lr"] = _learning_rate(progress)
    training.model.train()
    pictures = batch.pictures.to(training.device).float().sub_(127.5).div_(127.5)
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    with torch.autocast(training.device.type, torch.bfloat16):
        scores = training.model.scores(pictures)
    loss = _loss(scores.float(), batch)
    training.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    nn.utils.clip_grad_norm_(training.model.parameters(), 2.0)
    training.optimizer.step()
    training.batches_done += 1
    training.lines_done += len(batch.lengths)
    _follow(training)
    return float(loss.detach())


def _loss(scores: Tensor, batch: Batch) -> Tensor:
    log_probabilities = scores.log_softmax(dim=2)
    steps = torch.full((scores.shape[0],), scores.shape[1])
    ctc = nn.functional.ctc_loss(
        log_probabilities.transpose(0, 1),
        batch.classes.to(scores.device),
        steps,
        batch.lengths,
        blank=BLANK_CLASS,
        zero_infinity=True,
    )
    line, step, code = batch.centers.to(scores.device).unbind(dim=1)
    centers = -log_probabilities[line, step.clamp(max=scores.shape[1] - 1), code].mean()
    return ctc + _CENTER_WEIGHT * centers


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
def read_lines(model: Recogniser, lines: list[tuple[GrayImage, str]]) -> list[tuple[str, str]]:
    """Pairs of what a line says and what the model reads, one line at a time."""
    model.eval()
    device = next(model.parameters()).device
    pairs = []
    for picture, text in lines:
        width = -(-picture.shape[1] // FRAME_PX) * FRAME_PX
        batch = torch.from_numpy(pad([picture], width)).to(device).float().sub_(127.5).div_(127.5)
        pairs.append((text, decode(model.scores(batch)[0].argmax(dim=1).tolist())))
    return pairs


def _report(training: Training, losses: list[float]) -> None:
    log.info(
        "%5.1f of %.0f min, batch %d, %d lines, loss %.3f, learning rate %.1e",
        training.seconds_done / 60,
        training.options.minutes,
        training.batches_done,
        training.lines_done,
        sum(losses) / len(losses),
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
    parser.add_argument("--workers", type=int, default=1, help="processes that render lines")
    parser.add_argument("--checkpoint", type=Path, default=Path("var/demo-ocr-ko.pt"))
    parser.add_argument("--checkpoint-every-s", type=float, default=240)
    parser.add_argument("--resume", action="store_true")
    return Options(**vars(parser.parse_args()))


def main() -> None:
    """Entry point."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(_parse())


if __name__ == "__main__":
    main()
