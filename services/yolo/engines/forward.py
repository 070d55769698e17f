"""The one thing that the runtimes have in common: a batch of canvases in, raw outputs out."""

from typing import Protocol

from services.yolo.facts import ModelFacts
from services.yolo.found import FloatArray


class Forward(Protocol):
    """A loaded model."""

    runtime: str  # "onnxruntime", "openvino" or "torch"
    device: str  # "cpu" or "cuda:N"
    compute_type: str  # "float32", "bfloat16", "float16", "int8"
    licence: str  # as the file itself says; "" where it does not
    facts: ModelFacts
    fixed_batch: int | None  # pictures of every pass, of a graph exported so

    def __call__(self, batch: FloatArray) -> list[FloatArray]:
        """Run a batch.

        Args:
            batch: (n, 3, height, width), RGB, 0 to 1.

        Returns:
            Each output of the model, with n as its first axis.
        """
        ...
