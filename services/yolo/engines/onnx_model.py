"""Run an ONNX export with ONNX Runtime, and read from it what Ultralytics wrote into it."""

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from services.yolo.facts import TASKS, ModelFacts
from services.yolo.found import FloatArray
from services.yolo.letterbox import Pixels, as_batch
from services.yolo.weights import Weights
from shared.errors import EngineError, ModelMissing
from shared.gpu.device import Device

DEFAULT_STRIDE = 32
DEFAULT_IMAGE_SIZE = 640
CUDA = "CUDAExecutionProvider"


class OnnxModel:
    """An ONNX graph in ONNX Runtime."""

    runtime = "onnxruntime"

    def __init__(self, weights: Weights, device: Device, threads: int) -> None:
        """Load the graph.

        Args:
            weights: an ``.onnx`` file.
            device: the CPU, or a GPU if ``usable_gpus`` counts one.
            threads: CPU threads of one forward pass.

        Raises:
            ModelMissing: the file is not an ONNX graph that detects.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that spin between passes starve the other services on the same cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(weights.path), options, providers=_providers(device)
            )
        except Exception as error:  # noqa: BLE001 - its exceptions share no class of their own
            raise not_a_graph(weights.path, error) from None
        check_providers(device, self._session.get_providers())
        self._input = self._session.get_inputs()[0]
        metadata = self._session.get_modelmeta().custom_metadata_map
        outputs = [output.shape for output in self._session.get_outputs()]
        self.facts = graph_facts(metadata, self._input.shape, outputs, weights)
        self.licence = metadata.get("license", "")
        self.device = device.name
        self.compute_type = "float16" if self._input.type == "tensor(float16)" else "float32"
        self.fixed_batch = fixed(self._input.shape[0])

    def __call__(self, canvases: Sequence[Pixels]) -> list[FloatArray]:
        """Run canvases of one shape; a graph made for one picture runs once for each."""
        batch = as_batch(canvases)
        if self.compute_type == "float16":
            batch = batch.astype(np.float16)
        step = self.fixed_batch or len(batch)
        parts = [self._run(batch[start : start + step]) for start in range(0, len(batch), step)]
        return [
            np.concatenate(each).astype(np.float32, copy=False) for each in zip(*parts, strict=True)
        ]

    def _run(self, batch: Any) -> list[Any]:  # noqa: ANN401 - arrays of the graph's type
        missing = (self.fixed_batch or 0) - len(batch)
        if missing <= 0:
            outputs: list[Any] = self._session.run(None, {self._input.name: batch})
            return outputs
        filled = np.concatenate([batch, np.zeros((missing, *batch.shape[1:]), batch.dtype)])
        return [out[: len(batch)] for out in self._session.run(None, {self._input.name: filled})]


def check_providers(device: Device, used: Sequence[str]) -> None:
    """See that a session runs where it was meant to: ONNX Runtime goes to the CPU with a warning.

    Raises:
        EngineError: it was meant for a GPU and is on the CPU.
    """
    if device.is_gpu and CUDA not in used:
        raise EngineError(
            "ONNX Runtime could not start CUDA: its libraries are missing or of another version"
        )


def usable_gpus() -> int:
    """GPUs that this build of ONNX Runtime can use."""
    if CUDA not in onnxruntime.get_available_providers():
        return 0
    from shared.gpu.device import list_gpus

    return len(list_gpus())


def graph_facts(
    metadata: Mapping[str, str],
    input_shape: Sequence[Any],
    output_shapes: Sequence[Sequence[Any]],
    weights: Weights,
) -> ModelFacts:
    """Facts of an exported graph, from its metadata, the manifest and its shapes.

    Args:
        metadata: as Ultralytics writes it: texts of Python literals.
        input_shape: (n, 3, height, width); what is not a whole number is free.
        output_shapes: of each output.
        weights: whose manifest goes before the metadata.

    Raises:
        ModelMissing: the shapes are not those of a YOLO model.
    """
    if len(input_shape) != 4 or fixed(input_shape[1]) not in (3, None):
        raise ModelMissing(
            f"{weights.path} does not take RGB pictures: its input is {list(input_shape)}"
        )
    told = {name: _literal(text) for name, text in metadata.items()} | weights.manifest
    height, width = fixed(input_shape[2]), fixed(input_shape[3])
    task = told.get("task", "detect")
    if task not in TASKS:
        raise ModelMissing(f"{weights.path}: task {task!r} is not served")
    keypoints = tuple(told["kpt_shape"]) if "kpt_shape" in told else None
    has_nms = bool(told.get("end2end", False)) or (
        task == "detect" and len(output_shapes[0]) == 3 and fixed(output_shapes[0][2]) == 6
    )
    return ModelFacts(
        task=task,
        classes=_class_names(told, task, output_shapes[0], weights),
        image_size=max(height, width) if height and width else _long_side(told),
        stride=int(told.get("stride", DEFAULT_STRIDE)),
        fixed_shape=(height, width) if height and width else None,
        has_nms=has_nms,
        keypoint_shape=(int(keypoints[0]), int(keypoints[1])) if keypoints else None,
    )


def fixed(size: Any) -> int | None:  # noqa: ANN401 - a whole number or the name of a free axis
    """``size`` if it is a whole number above zero, None for a free axis."""
    return size if isinstance(size, int) and size > 0 else None


def not_a_graph(path: Path, error: Exception) -> ModelMissing:
    """The error for a file that the runtime cannot load."""
    return ModelMissing(
        f"{path} cannot be loaded as an ONNX model ({type(error).__name__}); export it again"
    )


def _providers(device: Device) -> list[Any]:
    if device.is_gpu:
        return [(CUDA, {"device_id": device.index}), "CPUExecutionProvider"]
    return ["CPUExecutionProvider"]


def _literal(text: str) -> Any:  # noqa: ANN401 - any Python literal
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _long_side(told: Mapping[str, Any]) -> int:
    size = told.get("image_size", told.get("imgsz", DEFAULT_IMAGE_SIZE))
    return int(max(size) if isinstance(size, (list, tuple)) else size)


def _class_names(
    told: Mapping[str, Any], task: str, output_shape: Sequence[Any], weights: Weights
) -> tuple[str, ...]:
    names = told.get("classes", told.get("names"))
    if isinstance(names, dict):
        names = [names[number] for number in sorted(names)]
    if names:
        return tuple(str(name) for name in names)
    rows = fixed(output_shape[1]) if len(output_shape) > 1 else None
    if task in ("detect", "classify") and rows is not None:
        count = rows if task == "classify" else rows - 4
        return tuple(str(number) for number in range(count))
    raise ModelMissing(f"{weights.path} does not name its classes; list them in model.toml")
