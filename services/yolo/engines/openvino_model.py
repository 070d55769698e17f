"""Run an ONNX export with OpenVINO on the CPU."""

from typing import Any

import numpy as np
import openvino

from services.yolo.engines.forward import Forward
from services.yolo.engines.onnx_model import not_a_graph
from services.yolo.found import FloatArray
from services.yolo.weights import Weights


class OpenVinoModel:
    """An ONNX graph in OpenVINO."""

    runtime = "openvino"
    device = "cpu"

    def __init__(
        self, weights: Weights, original: Forward, threads: int, *, exact: bool = False
    ) -> None:
        """Load and compile the graph.

        Args:
            weights: an ``.onnx`` file.
            original: the same graph in a runtime that can read what was written into it.
            threads: CPU threads of one forward pass.
            exact: calculate in float32 also where the CPU has bfloat16 units.

        Raises:
            ModelMissing: OpenVINO cannot load the file.
        """
        settings: dict[str, Any] = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        if exact:
            settings["INFERENCE_PRECISION_HINT"] = "f32"
        try:
            self._compiled = openvino.Core().compile_model(str(weights.path), "CPU", settings)
        except Exception as error:  # noqa: BLE001 - its exceptions share no class of their own
            raise not_a_graph(weights.path, error) from None
        self.facts, self.licence = original.facts, original.licence
        used = str(self._compiled.get_property("INFERENCE_PRECISION_HINT"))
        self.compute_type = "bfloat16" if "bfloat16" in used else "float32"
        batch = self._compiled.inputs[0].partial_shape[0]
        self.fixed_batch = None if batch.is_dynamic else batch.get_length()

    def __call__(self, batch: FloatArray) -> list[FloatArray]:
        """Run a batch; a graph made for one picture runs once for each."""
        step = self.fixed_batch or len(batch)
        parts = [self._run(batch[start : start + step]) for start in range(0, len(batch), step)]
        return [np.concatenate(each) for each in zip(*parts, strict=True)]

    def _run(self, batch: FloatArray) -> list[FloatArray]:
        count = len(batch)
        if self.fixed_batch and count < self.fixed_batch:
            empty = np.zeros((self.fixed_batch - count, *batch.shape[1:]), np.float32)
            batch = np.concatenate([batch, empty])
        answer = self._compiled([batch])
        return [np.array(answer[output][:count]) for output in self._compiled.outputs]
