"""The loop that trains a small network on batches made on the way, from nothing.

`--minutes` counts processor time on a CPU, which others may share, and wall time on a GPU. The
learning rate follows the time used, so that any number of minutes ends with a finished model. A
checkpoint is written every few minutes; `--resume` goes on from it with the batches that would have
followed. What is exported is an average of the weights over the last steps.
"""

import argparse
import copy
import logging
import math
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor, multiprocessing, nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

log = logging.getLogger(__name__)

Batch = TypeVar("Batch")
Network = TypeVar("Network", bound=nn.Module)

_WARM_UP = 0.03  # of the training time
_AVERAGE_DECAY = 0.998


@dataclass(frozen=True)
class TrainingOptions:
    """What the command line of every training sets."""

    minutes: float
    seed: int
    device: str
    threads: int
    workers: int
    checkpoint: Path
    checkpoint_every_s: float
    resume: bool


class Training(ABC, Generic[Network, Batch]):
    """The state that a checkpoint keeps, and the steps that move it.

    ``progress``, from 0 to 1, is the share of the minutes that is used up. Processes that make
    batches can read it.
    """

    log_every = 100
    peak_learning_rate = 2e-3
    betas = (0.9, 0.999)  # of AdamW
    gradient_limit = 10.0
    weight_decay = 0.01

    def __init__(self, model: Network, options: TrainingOptions) -> None:
        """Untrained."""
        torch.set_num_threads(options.threads)
        self.options = options
        self.device = torch.device(options.device)
        self.model = model.to(self.device)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's types
        self.average = copy.deepcopy(self.model).eval()
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=self.peak_learning_rate,
            betas=self.betas,
            weight_decay=self.weight_decay,
        )
        self.progress = multiprocessing.get_context("spawn").Value("d", 0.0)
        self.batches_done = 0
        self.examples_done = 0
        self.seconds_done = 0.0
        self.wall_seconds_done = 0.0

    @abstractmethod
    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The parts of the loss of one batch, each a mean over the batch; their sum is reduced."""

    @abstractmethod
    def size(self, batch: Batch) -> int:
        """Number of examples in a batch."""

    @abstractmethod
    def check(self) -> str:
        """How good the averaged weights are on a small held-out set, for the log."""

    def clock_s(self) -> float:
        """Time that counts: this process's own on a CPU, which may be shared, else wall time."""
        return time.process_time() if self.device.type == "cpu" else time.monotonic()

    def run(self, stream: Callable[[int], IterableDataset[Batch]]) -> None:
        """Train until the minutes are used up, those of a resumed checkpoint counted in.

        Args:
            stream: gives the endless batches from a number on.
        """
        if self.options.resume:
            self.load()
        self.options.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        budget_s = self.options.minutes * 60
        self.progress.value = self.seconds_done / budget_s
        last_s, last_wall_s = self.clock_s(), time.monotonic()
        saved = last_wall_s
        reports: list[dict[str, float]] = []
        for batch in self._batches(stream(self.batches_done)):
            reports.append(self._step(batch))
            now_s, now = self.clock_s(), time.monotonic()
            self.seconds_done += now_s - last_s
            self.wall_seconds_done += now - last_wall_s
            last_s, last_wall_s = now_s, now
            self.progress.value = self.seconds_done / budget_s
            is_over = self.seconds_done >= budget_s
            if self.batches_done % self.log_every == 0:
                self._report(reports)
                reports.clear()
            if now - saved > self.options.checkpoint_every_s or is_over:
                self.save()
                saved = time.monotonic()
                log.info("%s", self.check())
            if is_over:
                return

    def save(self) -> None:
        """Write the checkpoint; a crash while writing leaves the old one."""
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "batches_done": self.batches_done,
            "examples_done": self.examples_done,
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
        self.examples_done = state["examples_done"]
        self.seconds_done = state["seconds_done"]
        self.wall_seconds_done = state["wall_seconds_done"]

    def _batches(self, stream: IterableDataset[Batch]) -> Iterator[Batch]:
        workers = self.options.workers
        loader: DataLoader[Batch] = DataLoader(
            stream,
            batch_size=None,
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            # A forked child would inherit locks of OpenCV's and PyTorch's threads and hang on them.
            multiprocessing_context="spawn" if workers else None,
        )
        return iter(loader)

    def _step(self, batch: Batch) -> dict[str, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = self.peak_learning_rate * rate_at(self.progress.value)
        self.model.train()
        losses = self.losses(batch)
        self.optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it so
        nn.utils.clip_grad_norm_(self.model.parameters(), self.gradient_limit)
        self.optimizer.step()
        self.batches_done += 1
        self.examples_done += self.size(batch)
        self._follow()
        return {name: float(loss.detach()) for name, loss in losses.items()}

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the averaged weights towards the current ones; faster while these still run."""
        decay = min(_AVERAGE_DECAY, self.batches_done / (self.batches_done + 20))
        pairs = zip(
            self.average.state_dict().values(), self.model.state_dict().values(), strict=True
        )
        for average, current in pairs:
            if average.is_floating_point():
                average.lerp_(current, 1 - decay)
            else:
                average.copy_(current)

    def _report(self, reports: list[dict[str, float]]) -> None:
        means = {name: sum(r[name] for r in reports) / len(reports) for name in reports[0]}
        log.info(
            "%5.1f of %.0f min, batch %d, %d examples, loss %s, learning rate %.1e",
            self.seconds_done / 60,
            self.options.minutes,
            self.batches_done,
            self.examples_done,
            " ".join(f"{name} {value:.3f}" for name, value in means.items()),
            self.optimizer.param_groups[0]["lr"],
        )


def batch_numbers(first: int) -> Iterator[int]:
    """Numbers of the batches to make, from `first` on; of several workers each takes every k-th."""
    worker = get_worker_info()
    return count(first) if worker is None else count(first + worker.id, worker.num_workers)


def rate_at(progress: float) -> float:
    """Share of the peak learning rate: a linear warm-up, then a cosine down to a hundredth."""
    if progress < _WARM_UP:
        return max(0.05, progress / _WARM_UP)
    rest = min(1.0, (progress - _WARM_UP) / (1 - _WARM_UP))
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * rest))


def device_name(device: torch.device) -> str:
    """What trained, for the model card."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{os.cpu_count()} shared CPU cores ({torch.backends.cpu.get_cpu_capability()})"


def argument_parser(description: str | None, checkpoint: Path) -> argparse.ArgumentParser:
    """A command line with the fields of `TrainingOptions`."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60, help="of processor time on a CPU")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the network")
    parser.add_argument("--workers", type=int, default=1, help="processes that make batches")
    parser.add_argument("--checkpoint", type=Path, default=checkpoint)
    parser.add_argument("--checkpoint-every-s", type=float, default=240)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    return parser
