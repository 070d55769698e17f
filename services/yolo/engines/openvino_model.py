"""Run an ONNX export with OpenVINO on the CPU."""

import logging
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import openvino
from openvino.preprocess import PrePostProcessor

from services.yolo.engines.forward import Forward
from services.yolo.engines.onnx_model import not_a_graph
from services.yolo.found import FloatArray
from services.yolo.letterbox import Pixels
from services.yolo.weights import Weights

log = logging.getLogger(__name__)

WORTH_COMPILING = 8
"""Passes on canvases of one shape after which a graph is compiled for that shape alone."""
KEPT_OPERATIONS = 1000
"""Compiled operations that the free graph keeps, one for each layer and shape it has met.

Its own bound, 5 000, is some 450 MB after forty shapes, and no faster on those that alternate.
"""
MOST_SHAPES = 6
"""Shapes with a graph of their own: square, and photographs of 4:3, 3:2 or 16:9 either way up.
Each takes some 50 MB for a network of the smallest size."""


class OpenVinoModel:
    """An ONNX graph in OpenVINO.

    A graph whose axes are free takes every shape; compiled for one shape it is a sixth cheaper to
    run (yolo11n, bfloat16), but takes about a second to compile. So the shapes that come most are
    compiled in the background, and answered by the free graph until they are.
    """

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
        settings: dict[str, Any] = {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            "CPU_RUNTIME_CACHE_CAPACITY": str(KEPT_OPERATIONS),
        }
        if exact:
            settings["INFERENCE_PRECISION_HINT"] = "f32"
        self._core, self._settings = openvino.Core(), settings
        try:
            self._graph = _taking_pixels(self._core.read_model(str(weights.path)))
            self._free = self._core.compile_model(self._graph, "CPU", settings)
        except Exception as error:  # noqa: BLE001 - its exceptions share no class of their own
            raise not_a_graph(weights.path, error) from None
        self.facts, self.licence = original.facts, original.licence
        used = str(self._free.get_property("INFERENCE_PRECISION_HINT"))
        self.compute_type = "bfloat16" if "bfloat16" in used else "float32"
        batch = self._free.inputs[0].partial_shape[0]
        self.fixed_batch = None if batch.is_dynamic else batch.get_length()
        self._passes: Counter[tuple[int, int, int]] = Counter()
        self._compiled: dict[tuple[int, int, int], Future[Any]] = {}
        self._compiler = ThreadPoolExecutor(1, thread_name_prefix="compile")

    def __call__(self, canvases: Sequence[Pixels]) -> list[FloatArray]:
        """Run canvases of one shape; a graph made for one picture runs once for each."""
        batch = np.stack(canvases)  # (n, height, width, 3)
        height, width = batch.shape[1:3]
        compiled = self._compiled_for((height, width, 3))
        step = self.fixed_batch or (len(batch) if compiled is self._free else 1)
        parts = [
            _run(compiled, batch[start : start + step], step)
            for start in range(0, len(batch), step)
        ]
        if len(parts) == 1:
            return parts[0]
        return [np.concatenate(each) for each in zip(*parts, strict=True)]

    @property
    def compiled_shapes(self) -> tuple[tuple[int, int], ...]:
        """Heights and widths that have a graph of their own, or will have."""
        return tuple((height, width) for height, width, _ in self._compiled)

    def finish_compiling(self) -> None:
        """Wait for the graphs that are being compiled."""
        for each in self._compiled.values():
            each.result()

    def _compiled_for(self, shape: tuple[int, int, int]) -> Any:  # noqa: ANN401 - untyped there
        """The graph for canvases of a shape, (height, width, 3)."""
        self._passes[shape] += 1
        ready = self._compiled.get(shape)
        if ready is None:
            is_frequent = self._passes[shape] >= WORTH_COMPILING
            if is_frequent and len(self._compiled) < MOST_SHAPES and self._graph.is_dynamic():
                self._compiled[shape] = self._compiler.submit(self._compile, shape)
            return self._free
        return ready.result() if ready.done() else self._free

    def _compile(self, shape: tuple[int, int, int]) -> Any:  # noqa: ANN401 - untyped there
        graph = self._graph.clone()
        try:
            graph.reshape([self.fixed_batch or 1, *shape])
            compiled = self._core.compile_model(graph, "CPU", self._settings)
        except RuntimeError:
            log.exception("canvases of %d x %d stay with the free graph", shape[1], shape[0])
            return self._free
        log.debug("compiled the graph for canvases of %d x %d", shape[1], shape[0])
        return compiled


def _taking_pixels(graph: openvino.Model) -> openvino.Model:
    """The graph with bytes (n, height, width, 3) as its input: it turns them into its own type."""
    steps = PrePostProcessor(graph)
    pixels = steps.input()
    pixels.tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    pixels.model().set_layout(openvino.Layout("NCHW"))
    pixels.preprocess().convert_element_type(openvino.Type.f32).scale(255.0)
    for number in range(len(graph.outputs)):
        steps.output(number).tensor().set_element_type(openvino.Type.f32)
    return steps.build()


def _run(compiled: Any, batch: Pixels, step: int) -> list[FloatArray]:  # noqa: ANN401 - untyped there
    """Run one pass; a graph for more pictures than there are is filled with empty ones."""
    count = len(batch)
    if count < step:
        empty = np.zeros((step - count, *batch.shape[1:]), np.uint8)
        batch = np.concatenate([batch, empty])
    answer = compiled([batch])
    return [answer[number][:count] for number in range(len(compiled.outputs))]
