"""Trains `demo-speech-en` on synthetic speech: `python -m services.whisper.demo.train`.

From nothing; the corpus is spoken once into the folder of the checkpoint. Time, checkpoints and
`--resume` are those of `shared.demo.training`; the curriculum follows the time used, too.
"""

import json
import logging
from dataclasses import dataclass
from itertools import islice
from multiprocessing import Value
from pathlib import Path

import torch
from torch import Tensor

from services.whisper.demo.batches import IGNORED, Batch, BatchStream, Curriculum
from services.whisper.demo.corpus import Corpus, make_corpus
from services.whisper.demo.losses import (
    ATTENTION_WEIGHT,
    PHONE_WEIGHT,
    attention_loss,
    phone_loss,
    token_loss,
)  # fmt: skip
from services.whisper.demo.model import Output, Size, SpeechModel
from services.whisper.demo.tokenizer import load_tokenizer, token_ids, train_tokenizer
from services.whisper.demo.windows import TargetMaker
from shared.demo.training import Training, TrainingOptions, argument_parser

_HELD_OUT_SIZE = 400
_CHECK_BATCHES = 6


@dataclass(frozen=True)
class Material:
    """What is taught."""

    corpus: Corpus
    held_out: Corpus
    maker: TargetMaker
    size: Size
    first_time: int  # token of the time 0
    phone_ids: dict[str, int]

    def batches(self, corpus: Corpus, seed: int, first: int, progress: Curriculum) -> BatchStream:
        """Batches of one of the two corpora."""
        return BatchStream(
            corpus, self.maker, self.phone_ids, seed=seed, first=first, progress=progress
        )


class SpeechTraining(Training[SpeechModel, Batch]):
    """Trains the recogniser."""

    log_every = 50
    peak_learning_rate = 1.5e-3
    betas = (0.9, 0.98)
    gradient_limit = 1.0

    def __init__(self, material: Material, options: TrainingOptions) -> None:
        """Untrained."""
        torch.manual_seed(options.seed)
        super().__init__(SpeechModel(material.size), options)
        self._first_time = material.first_time
        held_out = material.batches(material.held_out, 0, 0, Value("d", 0.5))
        self._check_set = list(islice(held_out, _CHECK_BATCHES))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Next token, phone under each frame, and attention to the word that is said."""
        output = self._forward(self.model, batch)
        attention = attention_loss(output.attention, batch.spans.to(self.device))
        return {
            "token": token_loss(output.logits, batch.targets.to(self.device), self._first_time),
            "phone": PHONE_WEIGHT * phone_loss(output.phones, batch.phones.to(self.device)),
            "attention": ATTENTION_WEIGHT * attention,
        }

    def size(self, batch: Batch) -> int:
        """Number of windows."""
        return len(batch.tokens)

    @torch.no_grad()
    def check(self) -> str:
        """Right next tokens of the averaged weights, the true text being given up to each."""
        right = asked = 0
        for batch in self._check_set:
            targets = batch.targets.to(self.device)
            is_text = (targets != IGNORED) & (targets < self._first_time)
            likeliest = self._forward(self.average, batch).logits.argmax(-1)
            right += int((likeliest[is_text] == targets[is_text]).sum())
            asked += int(is_text.sum())
        return f"right text tokens on held-out windows {100 * right / asked:.2f} %"

    def _forward(self, model: SpeechModel, batch: Batch) -> Output:
        with torch.autocast(self.device.type, torch.bfloat16):
            output: Output = model(
                batch.features.to(self.device), batch.tokens.to(self.device), batch.offset
            )
        return output


def prepare(work: Path, utterances: int, seed: int) -> Material:
    """Make whatever a folder lacks: both corpora, the tokenizer and the list of phones."""
    for name, count, held_out in (("train", utterances, False), ("held", _HELD_OUT_SIZE, True)):
        if not (work / name / "audio.npy").exists():
            make_corpus(work / name, size=count, seed=seed, held_out=held_out)
    corpus = Corpus(work / "train")
    if not (work / "tokenizer.json").exists():
        train_tokenizer(corpus.texts()).save(str(work / "tokenizer.json"))
    if not (work / "phones.json").exists():
        names = {phone.ipa for index in range(0, len(corpus), 8) for phone in corpus[index].phones}
        (work / "phones.json").write_text(json.dumps(sorted(names - {""}), ensure_ascii=False))
    tokenizer = load_tokenizer(work / "tokenizer.json")
    ids, phones = token_ids(tokenizer), json.loads((work / "phones.json").read_text())
    return Material(
        corpus,
        Corpus(work / "held"),
        TargetMaker(tokenizer, ids),
        Size(tokenizer.get_vocab_size(), len(phones) + 1),
        ids.first_time,
        {name: number for number, name in enumerate(phones, start=1)},
    )


def main() -> None:
    """Entry point."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argument_parser(__doc__, Path("var/speech-demo/checkpoint.pt"))
    parser.add_argument("--utterances", type=int, default=24_000, help="size of the spoken corpus")
    given = vars(parser.parse_args())
    utterances, options = given.pop("utterances"), TrainingOptions(**given)
    material = prepare(options.checkpoint.parent, utterances, options.seed)
    training = SpeechTraining(material, options)
    training.run(
        lambda first: material.batches(material.corpus, options.seed, first, training.progress)
    )


if __name__ == "__main__":
    main()
