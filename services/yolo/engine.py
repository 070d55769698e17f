"""The engine that the service hosts: finds weights, picks a runtime, runs batches of canvases.

It runs in a child process of its own (``shared.lanes.ProcessLane``); all the libraries that know
models are imported there, and only when they are needed.
"""

import logging
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from services.yolo.engines.choice import EngineOptions, open_model
from services.yolo.engines.forward import Forward
from services.yolo.engines.probe import paying_batch_size
from services.yolo.found import BatchKey, Found
from services.yolo.letterbox import Pixels
from services.yolo.predictions import read_predictions
from services.yolo.sample import sample_canvas
from services.yolo.weights import find_weights
from shared.cgroup import usable_cores
from shared.engine import EngineInfo
from shared.errors import EngineError
from shared.models.store import ModelStore

log = logging.getLogger(__name__)

SERVICE_DIR = Path(__file__).parent


def create_engine(options: Mapping[str, Any]) -> "YoloEngine":
    """The engine that the options describe; called in the child process."""
    store = ModelStore(SERVICE_DIR, Path(options["models_dir"]))
    return YoloEngine(
        store,
        options["model"],
        EngineOptions(
            engine=options["engine"],
            device=options["device"],
            threads=options["threads"] or usable_cores(),
            exact=options["exact"],
            probe_batches=options["probe_batches"],
        ),
    )


class YoloEngine:
    """Runs one YOLO model."""

    def __init__(self, store: ModelStore, model: str, options: EngineOptions | None = None) -> None:
        """Remember what to load.

        Args:
            store: the models of this service.
            model: name of an installed model, path to weights, or ``auto``.
            options: how to run it.
        """
        self._store, self._model = store, model
        self._options = options or EngineOptions()
        self._forward: Forward | None = None

    def load(self) -> EngineInfo:
        """Find the weights and load them into a runtime."""
        weights = find_weights(self._store.resolve(self._model))
        forward, device = open_model(weights, self._options)
        self._forward = forward
        height, width = forward.facts.usual_shape
        log.debug("%s: %s in %s runs it", weights.name, forward.runtime, forward.compute_type)
        probes = self._options.probe_batches
        return EngineInfo(
            model=weights.name,
            device=forward.device,
            compute_type=forward.compute_type,
            fallback_reason=device.fallback_reason,
            device_reason=device.reason,
            demo=weights.demo,
            licence=weights.licence or forward.licence,
            max_batch_size=(
                paying_batch_size(forward, sample_canvas(height, width)) if probes else None
            ),
            details=(
                *forward.facts.as_details(),
                ("runtime", forward.runtime),
                ("digest", weights.digest()),
            ),
        )

    def warm_up(self) -> None:
        """Run a picture alone and twice in a batch: the answers must be sound and equal."""
        assert self._forward is not None
        facts = self._forward.facts
        picture = sample_canvas(*facts.usual_shape)
        alone, both = self._forward([picture]), self._forward([picture] * 2)
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
        outputs = self._forward(payloads)
        return [
            read_predictions([each[number] for each in outputs], self._forward.facts, key)
            for number in range(len(payloads))
        ]

    def close(self) -> None:
        """Let the model go."""
        self._forward = None
