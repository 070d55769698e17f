"""Trains `demo-ocr-ko` from nothing on rendered text: `python -m services.ocr.demo.train`.

Time, checkpoints and `--resume` are those of `shared.demo.training`. A CPU with bfloat16 matrix
units uses them; more than one thread only helps an idle one.
"""

import logging
from pathlib import Path

import torch
from torch import Tensor, nn

from services.ocr.demo.accuracy import character_error_rate
from services.ocr.demo.alphabet import BLANK_CLASS, LETTERS
from services.ocr.demo.batches import Batch, RenderedLines, evaluation_lines, pad
from services.ocr.demo.fonts import held_out_fonts
from services.ocr.demo.network import FRAME_PX, Recogniser
from services.ocr.demo.render import GrayImage
from services.ocr.engines.ctc import decode
from shared.demo.training import Training, TrainingOptions, argument_parser

# Weight of the loss at known character middles, which spares CTC the search for the alignment.
_CENTER_WEIGHT = 0.5
_CHECK_LINES = 150


class RecogniserTraining(Training[Recogniser, Batch]):
    """Trains the recogniser."""

    gradient_limit = 2.0
    weight_decay = 0.02

    def __init__(self, options: TrainingOptions) -> None:
        """Untrained."""
        torch.manual_seed(options.seed)
        super().__init__(Recogniser(), options)
        self._check_set = evaluation_lines(0, _CHECK_LINES, held_out_fonts(), strength=0.5)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """CTC, and the cross-entropy at the characters' middles."""
        pictures = batch.pictures.to(self.device).float().sub_(127.5).div_(127.5)
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16):
            scores = self.model.scores(pictures)
        return _losses(scores.float(), batch)

    def size(self, batch: Batch) -> int:
        """Number of lines."""
        return len(batch.lengths)

    def check(self) -> str:
        """Character error of the averaged weights on lines in fonts never trained on."""
        error_rate = character_error_rate(read_lines(self.average, self._check_set))
        return f"character error on held-out fonts {100 * error_rate:.2f} %"


def _losses(scores: Tensor, batch: Batch) -> dict[str, Tensor]:
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
    return {"ctc": ctc, "centers": _CENTER_WEIGHT * centers}


@torch.no_grad()
def read_lines(model: Recogniser, lines: list[tuple[GrayImage, str]]) -> list[tuple[str, str]]:
    """Pairs of what a line says and what the model reads, one line at a time."""
    model.eval()
    device = next(model.parameters()).device
    pairs = []
    for picture, text in lines:
        width = -(-picture.shape[1] // FRAME_PX) * FRAME_PX
        batch = torch.from_numpy(pad([picture], width)).to(device).float().sub_(127.5).div_(127.5)
        probabilities = model.scores(batch)[0].softmax(dim=1).cpu().numpy()
        pairs.append((text, decode(probabilities, LETTERS, used=1.0).text))
    return pairs


def main() -> None:
    """Entry point."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argument_parser(__doc__, Path("var/demo-ocr-ko.pt"))
    training = RecogniserTraining(TrainingOptions(**vars(parser.parse_args())))
    training.run(lambda first: RenderedLines(training.options.seed, first))


if __name__ == "__main__":
    main()
