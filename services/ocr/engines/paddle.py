"""PP-OCR networks through PaddleOCR: ONNX files on ONNX Runtime, Paddle's own on PaddlePaddle.

PaddleOCR wants a folder per network with an ``inference.yml`` that describes it. ONNX files without
one, as in RapidOCR's wheel, are linked into a temporary folder beside one written here. Given its
folder and name, a network is loaded without asking any model host.
"""

import importlib.util
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import yaml
from paddleocr import TextDetection, TextRecognition

from services.ocr.crops import CROP_HEIGHT_PX, GRID_PX
from services.ocr.engines.engine import (
    DetectorEngine,
    DetectorNetwork,
    RecogniserEngine,
    RecogniserNetwork,
)
from services.ocr.engines.options import EngineOptions
from services.ocr.readings import FloatArray, FoundText, ImageArray, Reading
from services.ocr.weights import DESCRIPTION, Weights
from shared.engine import Engine
from shared.errors import ModelMissing
from shared.gpu.device import Device, choose_device

BOX_THRESHOLD = 0.5
UNCLIP_RATIO = 1.6
"""As RapidOCR sets them for the same networks."""


def create_detector(options: Mapping[str, Any]) -> Engine:
    """The detector, for a lane."""
    return DetectorEngine(EngineOptions.from_json(options), PaddleOcr())


def create_recogniser(options: Mapping[str, Any]) -> Engine:
    """The recognisers, for a lane."""
    return RecogniserEngine(EngineOptions.from_json(options), PaddleOcr())


class PaddleOcr:
    """Opens networks through PaddleOCR."""

    def choose_device(self, options: EngineOptions, weights: Weights) -> Device:
        """A GPU where the runtime that the file needs can use one."""

        def runtime_gpus() -> int:
            if weights.path.suffix == ".onnx":
                return 16 if "CUDAExecutionProvider" in onnxruntime.get_available_providers() else 0
            import paddle  # only where Paddle's own format is used

            return int(paddle.device.cuda.device_count())

        return choose_device(options.device, runtime_gpus=runtime_gpus)

    def open_detector(
        self, weights: Weights, options: EngineOptions, device: Device
    ) -> DetectorNetwork:
        """Load a detector."""
        return _Detector(weights, options, device)

    def open_recogniser(
        self, weights: Weights, options: EngineOptions, device: Device
    ) -> RecogniserNetwork:
        """Load a recogniser."""
        return _Recogniser(weights, options, device)


class _Network:
    """One of PaddleOCR's modules; it has no types."""

    compute_type = "float32"

    def __init__(
        self,
        module: Any,  # noqa: ANN401 - untyped
        weights: Weights,
        runtime: dict[str, Any],
        **steps: Any,  # noqa: ANN401 - untyped
    ) -> None:
        self.runtime = str(runtime["engine"])
        with model_folder(weights) as folder:
            self._module = module(
                model_name=weights.registered_name, model_dir=folder, **steps, **runtime
            )

    def close(self) -> None:
        self._module.close()


class _Detector(_Network):
    """A detector."""

    def __init__(self, weights: Weights, options: EngineOptions, device: Device) -> None:
        super().__init__(
            TextDetection,
            weights,
            _runtime(weights, options, device),
            # Pictures come at the size at which they are searched.
            limit_side_len=GRID_PX,
            limit_type="min",
            box_thresh=BOX_THRESHOLD,
            unclip_ratio=UNCLIP_RATIO,
        )

    def __call__(self, pictures: Sequence[ImageArray]) -> list[FoundText]:
        answers = self._module.predict(list(pictures), batch_size=len(pictures))
        return [
            FoundText(np.asarray(each["dt_polys"], np.float32).reshape(-1, 4, 2))
            for each in answers
        ]


class _Recogniser(_Network):
    """A recogniser."""

    def __init__(self, weights: Weights, options: EngineOptions, device: Device) -> None:
        super().__init__(TextRecognition, weights, _runtime(weights, options, device))

    def __call__(self, crops: Sequence[ImageArray], width_px: int) -> list[Reading]:
        # Each alone: PaddleOCR pads a batch to its widest crop, which changes what is read.
        return [_read(self._module, crop) for crop in crops]


def _read(network: Any, crop: ImageArray) -> Reading:  # noqa: ANN401 - untyped
    (read,) = network.predict(crop, batch_size=1, return_word_box=True)
    text, (steps, _words, columns, _kinds) = read["rec_text"]
    if not text:
        return Reading("", 0.0, np.zeros(0, np.float32))
    return Reading(text, float(read["rec_score"]), _positions(text, steps, columns))


def _positions(text: str, steps: float, columns: Sequence[Sequence[int]]) -> FloatArray:
    """Place of each character, 0 to 1 along the crop.

    PaddleOCR gives the network's step at which it saw each character, spaces left out; those are
    put midway between their neighbours.

    Args:
        text: what was read.
        steps: steps that the crop takes, its padding aside.
        columns: step of each character that is not a space, by word.
    """
    seen = iter([step for word in columns for step in word])
    known = np.array([np.nan if each.isspace() else next(seen, np.nan) for each in text], float)
    places = np.arange(len(text))
    is_known = ~np.isnan(known)
    if not is_known.any():
        return ((places + 0.5) / len(text)).astype(np.float32)
    filled = np.interp(places, places[is_known], known[is_known])
    return np.asarray(np.clip((filled + 0.5) / steps, 0, 1), np.float32)


def _runtime(weights: Weights, options: EngineOptions, device: Device) -> dict[str, Any]:
    """Arguments that choose what runs a network."""
    name = f"gpu:{device.index}" if device.is_gpu else "cpu"
    threads = options.thread_count()
    if weights.path.suffix == ".onnx":
        session = {"intra_op_num_threads": threads, "enable_cpu_mem_arena": False}
        return {"device": name, "engine": "onnxruntime", "engine_config": session}
    if importlib.util.find_spec("paddle") is None:
        raise ModelMissing(
            f"{weights.path} is in Paddle's own format, which needs PaddlePaddle: "
            "pip install -r services/ocr/requirements-paddle.in"
        )
    return {"device": name, "engine": "paddle", "cpu_threads": threads, "enable_mkldnn": True}


@contextmanager
def model_folder(weights: Weights) -> Iterator[str]:
    """The network's folder as PaddleOCR wants it; a temporary one for an ONNX file alone."""
    path = weights.path
    own = path if path.is_dir() else path.parent
    if (own / DESCRIPTION).is_file():
        yield str(own)
        return
    with tempfile.TemporaryDirectory(prefix="gantry-ocr-") as folder:
        (Path(folder) / "inference.onnx").symlink_to(path.resolve())
        description = _describe(weights)
        (Path(folder) / DESCRIPTION).write_text(yaml.safe_dump(description, allow_unicode=True))
        yield folder


def _describe(weights: Weights) -> dict[str, Any]:
    """The ``inference.yml`` of a PP-OCR network in ONNX; characters are in the file's metadata."""
    name = {"Global": {"model_name": weights.registered_name}}
    if not weights.languages:
        return {**name, "PreProcess": _DETECTOR_STEPS, "PostProcess": {"name": "DBPostProcess"}}
    session = onnxruntime.InferenceSession(str(weights.path), providers=["CPUExecutionProvider"])
    characters = session.get_modelmeta().custom_metadata_map["character"].splitlines()
    return {
        **name,
        "PreProcess": _RECOGNISER_STEPS,
        "PostProcess": {"name": "CTCLabelDecode", "character_dict": characters},
    }


_DETECTOR_STEPS = {
    "transform_ops": [
        {"DetResizeForTest": {"limit_side_len": GRID_PX, "limit_type": "min"}},
        {
            "NormalizeImage": {
                "mean": [0.5, 0.5, 0.5],
                "std": [0.5, 0.5, 0.5],
                "scale": "1./255.",
                "order": "hwc",
            }
        },
        {"ToCHWImage": None},
        {"KeepKeys": {"keep_keys": ["image", "shape"]}},
    ]
}
_RECOGNISER_STEPS = {
    "transform_ops": [
        {"DecodeImage": {"channel_first": False, "img_mode": "BGR"}},
        {"RecResizeImg": {"image_shape": [3, CROP_HEIGHT_PX, 320]}},
        {"KeepKeys": {"keep_keys": ["image"]}},
    ]
}
