"""The one thing that the runtimes have in common: canvases in, raw outputs out."""

from collections.abc import Sequence
from typing import Protocol

from services.yolo.facts import ModelFacts
from services.yolo.found import FloatArray
from services.yolo.letterbox import Pixels


class Forward(Protocol):
    """A loaded model."""

    runtime: str  # "onnxruntime", "openvino" or "torch"
    device: str  # "cpu" or "cuda:N"
    compute_type: str  # "float32", "bfloat16", "float16", "int8"
    licence: str  # as the file itself says; "" where it does not
    facts: ModelFacts
    fixed_batch: int | None  # pictures of every pass, of a graph exported so

    def __call__(self, canvases: Sequence[Pixels]) -> list[FloatArray]:
        """Run canvases of one shape together.

        Each runtime turns them into what its network takes, where that is cheapest.

        Args:
            canvases: n of (height, width, 3) uint8, RGB.

        Returns:
            Each output of the model, with n as its first axis.
        """
        ...
