"""The engine that the service hosts: finds weights, picks a runtime, runs batches of canvases.

It runs in a child process of its own (``shared.lanes.ProcessLane``); all the libraries that know
models are imported there, and only when they are needed.
"""

import logging
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from services.yolo.engines.forward import Forward
from services.yolo.found import BatchKey, FloatArray, Found
from services.yolo.letterbox import Pixels
from services.yolo.predictions import read_predictions
from services.yolo.sample import sample_canvas
from services.yolo.weights import Weights, find_weights
from shared.cgroup import usable_cores
from shared.engine import EngineInfo
from shared.errors import EngineError, ModelMissing
from shared.gpu.device import Device, choose_device
from shared.models.store import ModelStore

log = logging.getLogger(__name__)

SERVICE_DIR = Path(__file__).parent
EngineName = Literal["auto", "onnxruntime", "openvino", "torch"]


def create_engine(options: Mapping[str, Any]) -> "YoloEngine":
    """The engine that the options describe; called in the child process."""
    store = ModelStore(SERVICE_DIR, Path(options["models_dir"]))
    return YoloEngine(
        store,
        options["model"],
        engine=options["engine"],
        device=options["device"],
        threads=options["threads"] or usable_cores(),
    )


class YoloEngine:
    """Runs one YOLO model."""

    def __init__(
        self,
        store: ModelStore,
        model: str,
        *,
        engine: EngineName = "auto",
        device: str = "auto",
        threads: int = 1,
    ) -> None:
        """Remember what to load.

        Args:
            store: the models of this service.
            model: name of an installed model, path to weights, or ``auto``.
            engine: runtime to use.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
            threads: CPU threads of a forward pass.
        """
        self._store, self._model = store, model
        self._engine, self._device, self._threads = engine, device, threads
        self._forward: Forward | None = None

    def load(self) -> EngineInfo:
        """Find the weights and load them into a runtime."""
        weights = find_weights(self._store.resolve(self._model))
        self._forward, device = self._open(weights)
        log.info("%s: %s runs it", weights.name, self._forward.runtime)
        return EngineInfo(
            model=weights.name,
            device=self._forward.device,
            compute_type=self._forward.compute_type,
            fallback_reason=device.fallback_reason,
            demo=weights.demo,
            licence=weights.licence,
            details=(*self._forward.facts.as_details(), ("runtime", self._forward.runtime)),
        )

    def warm_up(self) -> None:
        """Run a picture alone and twice in a batch: the answers must be sound and equal."""
        assert self._forward is not None
        facts = self._forward.facts
        height, width = facts.fixed_shape or (facts.image_size, facts.image_size)
        picture = sample_canvas(height, width)
        alone, both = self._forward(as_batch([picture])), self._forward(as_batch([picture] * 2))
        if not all(np.isfinite(each).all() for each in alone):
            raise EngineError("the model's warm-up answer is not finite")
        rows = 0 if facts.task == "classify" else 4
        if not facts.has_nms and alone[0].shape[1] < rows + len(facts.classes):
            raise EngineError(
                f"the model answers {alone[0].shape[1]} rows, too few for "
                f"{len(facts.classes)} classes"
            )
        for first, second in zip(alone, both, strict=True):
            if not np.allclose(first[0], second[1], rtol=0.02, atol=0.02 * np.abs(first).max()):
                raise EngineError("the model answers differently in a batch than alone")

    def run(self, key: Hashable, payloads: Sequence[Pixels]) -> list[Found]:
        """Run canvases of one shape.

        Args:
            key: a ``BatchKey``.
            payloads: (height, width, 3) uint8 RGB each, of the key's shape.
        """
        assert isinstance(key, BatchKey)
        assert self._forward is not None
        outputs = self._forward(as_batch(payloads))
        return [
            read_predictions([each[number] for each in outputs], self._forward.facts, key)
            for number in range(len(payloads))
        ]

    def close(self) -> None:
        """Let the model go."""
        self._forward = None

    def _open(self, weights: Weights) -> tuple[Forward, Device]:
        if not weights.is_onnx:
            if self._engine not in ("auto", "torch"):
                raise ModelMissing(
                    f"{weights.path} needs YOLO_ENGINE=torch; {self._engine} takes an .onnx export"
                )
            from services.yolo.engines import torch_model

            device = choose_device(self._device, runtime_gpus=torch_model.usable_gpus)
            return torch_model.TorchModel(weights, device, self._threads), device
        if self._engine == "torch":
            raise ModelMissing(f"{weights.path} is an ONNX export; YOLO_ENGINE=torch takes a .pt")
        from services.yolo.engines import onnx_model

        if self._engine == "openvino":
            from services.yolo.engines.openvino_model import OpenVinoModel

            graph = onnx_model.OnnxModel(weights, Device("cpu"), self._threads)
            device = choose_device(self._device)
            return OpenVinoModel(weights, graph.facts, self._threads), device
        device = choose_device(self._device, runtime_gpus=onnx_model.usable_gpus)
        return onnx_model.OnnxModel(weights, device, self._threads), device


def as_batch(canvases: Sequence[Pixels]) -> FloatArray:
    """Canvases (height, width, 3) uint8 as one array (n, 3, height, width) float32, 0 to 1."""
    blob = cv2.dnn.blobFromImages(list(canvases), scalefactor=1 / 255)
    return np.asarray(blob, np.float32)
