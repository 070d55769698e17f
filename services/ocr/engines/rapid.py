"""Detector and recogniser on RapidOCR: PP-OCR networks on ONNX Runtime or OpenVINO.

RapidOCR's own pipeline keeps the options of a call in the object, so its parts are used instead:
sessions, the detector's postprocessing, the recogniser's preprocessing. Every network is given by
its path; without one RapidOCR would fetch it.
"""

import logging
import tempfile
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import rapidocr
import yaml
from omegaconf import OmegaConf
from rapidocr.ch_ppocr_det import TextDetector
from rapidocr.ch_ppocr_rec import TextRecognizer
from rapidocr.utils.log import logger as rapidocr_logger
from rapidocr.utils.typings import EngineType

from services.ocr.crops import CROP_HEIGHT_PX, GRID_PX
from services.ocr.engines.ctc import decode
from services.ocr.engines.golden import (
    check_found,
    check_read,
    golden_crop,
    golden_key,
    golden_page,
)
from services.ocr.engines.options import EngineOptions, detector_info, recogniser_info
from services.ocr.engines.probe import fastest_batch_size
from services.ocr.readings import FoundText, ImageArray, Reading
from services.ocr.weights import Weights
from shared.engine import Engine, EngineInfo
from shared.errors import ModelMissing
from shared.gpu.device import Device, choose_device

log = logging.getLogger(__name__)

PROBE_PX = 384
"""Width of the crops with which the batch size is probed."""


def create_detector(options: Mapping[str, Any]) -> Engine:
    """The detector, for a lane."""
    return RapidDetector(EngineOptions.from_json(options))


def create_recogniser(options: Mapping[str, Any]) -> Engine:
    """The recognisers, for a lane."""
    return RapidRecogniser(EngineOptions.from_json(options))


class RapidDetector:
    """Finds lines of text. A payload is a picture (height, width, 3) RGB, sides multiples of 32."""

    def __init__(self, options: EngineOptions) -> None:
        """Nothing is loaded yet."""
        self._options = options
        self._detector: Any = None  # rapidocr has no types

    def load(self) -> EngineInfo:
        """Load the network."""
        weights = self._options.weights().detector
        device = _device(self._options)
        config = _network_config("Det", weights, self._options, device)
        config.limit_side_len = GRID_PX  # pictures come at the size at which they are searched
        self._detector = TextDetector(config)
        return detector_info(weights, device)

    def warm_up(self) -> None:
        """Find the golden line."""
        check_found(self.run((), [golden_page()])[0])

    def run(self, key: Hashable, payloads: Sequence[ImageArray]) -> list[FoundText]:
        """Search each picture."""
        return [self._find(picture) for picture in payloads]

    def close(self) -> None:
        """Free the network."""
        self._detector = None

    def _find(self, picture: ImageArray) -> FoundText:
        found = self._detector(_as_bgr(picture))
        if found.boxes is None:
            return FoundText(np.zeros((0, 4, 2), np.float32))
        # found.scores is left behind: RapidOCR sorts the boxes but not their scores.
        return FoundText(np.asarray(found.boxes, np.float32))


class RapidRecogniser:
    """Reads crops. Keys are (recogniser, bucket width in px); a payload is a crop (h, w, 3) RGB."""

    def __init__(self, options: EngineOptions) -> None:
        """Nothing is loaded yet."""
        self._options = options
        self._weights: tuple[Weights, ...] = ()
        self._networks: dict[str, Any] = {}  # rapidocr has no types
        self._batch_size = 1

    def load(self) -> EngineInfo:
        """Load the networks."""
        self._weights = self._options.weights().recognisers
        device = _device(self._options)
        for weights in self._weights:
            config = _network_config("Rec", weights, self._options, device)
            with tempfile.TemporaryDirectory(prefix="gantry-ocr-") as folder:
                config.rec_keys_path = _character_file(weights, folder)
                self._networks[weights.name] = TextRecognizer(config)
        first = self._weights[0].name
        self._batch_size = fastest_batch_size(
            lambda count: _read_together(self._networks[first], [golden_crop()] * count, PROBE_PX)
        )
        log.info("recognition: %d crops at a time are fastest here", self._batch_size)
        return recogniser_info(self._weights, device)

    def warm_up(self) -> None:
        """Read the golden line."""
        for weights in self._weights:
            reading = self.run(golden_key(weights.name), [golden_crop()])[0]
            if "en" in weights.languages:
                check_read(reading, weights.name)

    def run(self, key: Hashable, payloads: Sequence[ImageArray]) -> list[Reading]:
        """Read crops of one bucket, as many at a time as was found to pay."""
        assert isinstance(key, tuple)
        name, width_px = key
        readings: list[Reading] = []
        for start in range(0, len(payloads), self._batch_size):
            crops = payloads[start : start + self._batch_size]
            readings += _read_together(self._networks[name], crops, width_px)
        return readings

    def close(self) -> None:
        """Free the networks."""
        self._networks.clear()


def _read_together(
    network: Any,  # noqa: ANN401 - untyped
    crops: Sequence[ImageArray],
    width_px: int,
) -> list[Reading]:
    ratio = width_px / CROP_HEIGHT_PX
    padded = np.stack([network.resize_norm_img(_as_bgr(crop), ratio) for crop in crops])
    # (n_crops, n_steps, n_classes); a runtime may reuse the memory in its next run
    probabilities = np.asarray(network.session(padded.astype(np.float32)))
    height, width = padded.shape[2:]
    characters = network.postprocess_op.character
    return [
        decode(each, characters, used=min(1.0, height * crop.shape[1] / crop.shape[0] / width))
        for each, crop in zip(probabilities, crops, strict=True)
    ]


def _as_bgr(picture: ImageArray) -> ImageArray:
    """The channel order that PP-OCR networks were trained on."""
    return np.ascontiguousarray(picture[:, :, ::-1])


def _device(options: EngineOptions) -> Device:
    def runtime_gpus() -> int:
        return 16 if "CUDAExecutionProvider" in onnxruntime.get_available_providers() else 0

    is_onnxruntime = options.runtime == "onnxruntime"
    return choose_device(options.device, runtime_gpus=runtime_gpus if is_onnxruntime else None)


def _network_config(section: str, weights: Weights, options: EngineOptions, device: Device) -> Any:  # noqa: ANN401 - omegaconf's node
    if weights.path.suffix != ".onnx":
        raise ModelMissing(
            f"{weights.path} holds no inference.onnx, the only format that RapidOCR runs here; "
            "set OCR_ENGINE=paddleocr for Paddle's own format"
        )
    rapidocr_logger.setLevel(logging.WARNING)
    config: Any = OmegaConf.load(Path(rapidocr.__file__).parent / "config.yaml")
    runtime = config.EngineConfig[options.runtime]
    if options.runtime == "onnxruntime":
        runtime.intra_op_num_threads = options.thread_count()
        runtime.use_cuda = device.is_gpu
        runtime.cuda_ep_cfg.device_id = device.index
    else:
        runtime.inference_num_threads = options.thread_count()
    network = config[section]
    network.engine_type = EngineType(options.runtime)
    network.engine_cfg = runtime
    network.model_path = str(weights.path)
    network.font_path = None
    return network


def _character_file(weights: Weights, folder: str) -> str | None:
    """Write the characters of ``inference.yml``; None where the network carries its own."""
    settings = weights.path.parent / "inference.yml"
    if not settings.is_file():
        return None
    listed = yaml.safe_load(settings.read_text())["PostProcess"].get("character_dict")
    if listed is None:
        return None
    target = Path(folder) / "characters.txt"
    target.write_text("".join(f"{each}\n" for each in listed))
    return str(target)
