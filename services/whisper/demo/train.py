"""Train `demo-speech-en` from nothing: `python -m services.whisper.demo.train --help`.

The corpus is spoken once into the work folder, then training runs for `--minutes` (of processor
time on a CPU, which others may share), on a GPU if there is one. A checkpoint is written every few
minutes; `--resume` goes on from it, with the learning rate and the curriculum at the place that the
minutes already spent have among `--minutes`. With `--steps` that place follows the step count,
which makes a run repeatable to rounding.
"""

import argparse
import json
import logging
import math
import multiprocessing
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.utils.data import DataLoader

from services.whisper.demo.batches import Batch, BatchStream
from services.whisper.demo.corpus import Corpus, make_corpus
from services.whisper.demo.losses import (
    ATTENTION_WEIGHT,
    PHONE_WEIGHT,
    attention_loss,
    phone_loss,
    token_loss,
)  # fmt: skip
from services.whisper.demo.model import Size, SpeechModel
from services.whisper.demo.tokenizer import TokenIds, load_tokenizer, token_ids, train_tokenizer
from services.whisper.demo.windows import TargetMaker
from shared.demo.training import clock_s

log = logging.getLogger(__name__)

PEAK_RATE, WARMUP_STEPS = 1.5e-3, 200
_REPORT_EVERY = 50
_CHECKPOINT_EVERY_S = 180.0
_HELD_OUT_SIZE = 400


class Trainer:
    """Holds what a checkpoint saves: network, optimiser, steps and seconds so far."""

    def __init__(self, size: Size, seed: int) -> None:
        """Draw the network from a seed."""
        torch.manual_seed(seed)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = SpeechModel(size).to(self.device)
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), betas=(0.9, 0.98), weight_decay=0.01, fused=True
        )
        self.steps, self.seconds = 0, 0.0
        self._pool = ThreadPoolExecutor(initializer=torch.set_num_threads, initargs=(1,))

    def step(self, batches: list[Batch], first_time: int, progress: float) -> dict[str, float]:
        """Learn from the mean of some batches, worked on side by side, one thread each.

        Returns:
            The three losses and the share of text tokens that were right, as means.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.steps, progress)
        parameters = list(self.model.parameters())

        def learn(batch: Batch) -> tuple[tuple[Tensor, ...], dict[str, float]]:
            losses, accuracy = self.losses(batch, first_time)
            total = losses["token"] + PHONE_WEIGHT * losses["phone"]
            gradients = torch.autograd.grad(
                total + ATTENTION_WEIGHT * losses["attention"], parameters
            )
            return gradients, {
                **{name: float(loss.detach()) for name, loss in losses.items()},
                "accuracy": accuracy,
            }

        gradients, reports = zip(*self._pool.map(learn, batches), strict=True)
        for parameter, parts in zip(parameters, zip(*gradients, strict=True), strict=True):
            parameter.grad = torch.stack(parts).mean(0)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        self.optimiser.step()
        self.steps += 1
        return {name: float(np.mean([report[name] for report in reports])) for name in reports[0]}

    def losses(self, batch: Batch, first_time: int) -> tuple[dict[str, Tensor], float]:
        """Run the network forward on a batch."""
        tokens, targets = batch.tokens.to(self.device), batch.targets.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False):
            output = self.model(batch.features.to(self.device), tokens, batch.offset)
        losses = {
            "token": token_loss(output.logits, targets, first_time),
            "phone": phone_loss(output.phones, batch.phones.to(self.device)),
            "attention": attention_loss(output.attention, batch.spans.to(self.device)),
        }
        asked = (targets != -100) & (targets < first_time)
        right = output.logits.argmax(-1)[asked] == targets[asked]
        return losses, float(right.float().mean())

    def save(self, path: Path) -> None:
        """Write a checkpoint so that a crash leaves the old one or the new one."""
        state = {
            "size": asdict(self.model.size), "steps": self.steps, "seconds": self.seconds,
            "model": self.model.state_dict(), "optimiser": self.optimiser.state_dict(),
        }  # fmt: skip
        torch.save(state, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint of the same size."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.steps, self.seconds = state["steps"], state["seconds"]


def learning_rate(step: int, progress: float) -> float:
    """Warm up by steps, then fall with the progress (0 to 1) along half a cosine to a hundredth."""
    falling = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return PEAK_RATE * min(1.0, (step + 1) / WARMUP_STEPS) * falling


def prepare(work: Path, size: int, seed: int) -> tuple[Corpus, Corpus, Tokenizer]:
    """Make whatever the work folder lacks: both corpora, the tokenizer and the list of phones."""
    for name, count, held_out in (("train", size, False), ("held", _HELD_OUT_SIZE, True)):
        if not (work / name / "audio.npy").exists():
            make_corpus(work / name, size=count, seed=seed, held_out=held_out)
    corpus = Corpus(work / "train")
    if not (work / "tokenizer.json").exists():
        train_tokenizer(corpus.texts()).save(str(work / "tokenizer.json"))
    if not (work / "phones.json").exists():
        names = {phone.ipa for index in range(0, len(corpus), 8) for phone in corpus[index].phones}
        (work / "phones.json").write_text(json.dumps(sorted(names - {""}), ensure_ascii=False))
    return corpus, Corpus(work / "held"), load_tokenizer(work / "tokenizer.json")


def run(
    trainer: Trainer, stream: DataLoader[Batch], held: list[Batch], ids: TokenIds,
    options: argparse.Namespace, place: "Synchronized[float]", stopping: threading.Event,
) -> None:  # fmt: skip
    """Train until minutes or steps are used up; write checkpoints on the way and at the end."""
    before_s, started = trainer.seconds, clock_s(trainer.device)
    saved = time.monotonic()
    recent: list[dict[str, float]] = []
    batches = iter(stream)
    while not stopping.is_set():
        now = time.monotonic()
        trainer.seconds = before_s + clock_s(trainer.device) - started
        progress = (
            trainer.steps / options.steps
            if options.steps
            else trainer.seconds / (60 * options.minutes)
        )
        place.value = progress
        if progress >= 1:
            break
        together = [next(batches) for _ in range(options.threads)]
        recent.append(trainer.step(together, ids.first_time, progress))
        if trainer.steps % _REPORT_EVERY == 0:
            log.info("%s", report(trainer, progress, recent))
            recent.clear()
        if now - saved > _CHECKPOINT_EVERY_S:
            saved = now
            trainer.save(options.work / "checkpoint.pt")
            log.info(
                "checkpoint; held-out token accuracy %.4f", held_out_accuracy(trainer, held, ids)
            )
    trainer.save(options.work / "checkpoint.pt")
    log.info("done; held-out token accuracy %.4f", held_out_accuracy(trainer, held, ids))


def report(trainer: Trainer, progress: float, recent: list[dict[str, float]]) -> str:
    """One line on the last steps."""
    means = {name: float(np.mean([entry[name] for entry in recent])) for name in recent[0]}
    figures = " ".join(f"{name} {value:.3f}" for name, value in means.items())
    return (
        f"step {trainer.steps} ({100 * progress:.1f} %, {trainer.seconds / 60:.1f} min) {figures}"
    )


@torch.no_grad()
def held_out_accuracy(trainer: Trainer, held: list[Batch], ids: TokenIds) -> float:
    """Share of right next tokens on held-out windows, the true text being given up to each."""
    trainer.model.eval()
    accuracy = float(np.mean([trainer.losses(batch, ids.first_time)[1] for batch in held]))
    trainer.model.train()
    return accuracy


def main() -> None:
    """Train the demo speech model."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "--work", type=Path, default=Path("var/speech-demo"), help="corpus and checkpoints"
    )
    parser.add_argument(
        "--minutes", type=float, default=150.0, help="of training, earlier runs included"
    )
    parser.add_argument(
        "--steps", type=int, default=0, help="train by step count instead of by time"
    )
    parser.add_argument("--utterances", type=int, default=24_000, help="size of the spoken corpus")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="batches worked on side by side")
    parser.add_argument(
        "--resume", action="store_true", help="go on from the checkpoint in the work folder"
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(1)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())

    corpus, held_corpus, tokenizer = prepare(options.work, options.utterances, options.seed)
    names = json.loads((options.work / "phones.json").read_text())
    phone_ids = {name: number for number, name in enumerate(names, start=1)}
    ids = token_ids(tokenizer)
    maker = TargetMaker(tokenizer, ids)
    trainer = Trainer(Size(tokenizer.get_vocab_size(), len(names) + 1), options.seed)
    if options.resume:
        trainer.load(options.work / "checkpoint.pt")
    log.info(
        "%d parameters on %s", sum(p.numel() for p in trainer.model.parameters()), trainer.device
    )

    progress = multiprocessing.Value("d", 0.5)
    held_stream = iter(BatchStream(held_corpus, maker, phone_ids, seed=0, progress=progress))
    held = [next(held_stream) for _ in range(6)]
    progress.value = 0.0
    seed = options.seed + trainer.steps
    stream = BatchStream(corpus, maker, phone_ids, seed=seed, progress=progress)
    loader = DataLoader(stream, batch_size=None, num_workers=1, prefetch_factor=4)
    run(trainer, loader, held, ids, options, progress, stopping)


if __name__ == "__main__":
    main()
