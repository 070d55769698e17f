"""PP-OCR networks on ONNX Runtime or OpenVINO, through the parts of RapidOCR.

RapidOCR's own pipeline keeps the options of a call in the object, so its parts are used instead:
sessions, the detector's postprocessing, the recogniser's preprocessing. Every network is given by
its path; without one RapidOCR would fetch it.
"""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

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
from services.ocr.engines.engine import (
    DetectorEngine,
    DetectorNetwork,
    RecogniserEngine,
    RecogniserNetwork,
)
from services.ocr.engines.golden import golden_crop, golden_key, golden_page
from services.ocr.engines.options import EngineOptions
from services.ocr.engines.probe import faster, finds_alike, reads_alike
from services.ocr.readings import FoundText, ImageArray, Reading
from services.ocr.weights import DESCRIPTION, Weights
from shared.engine import Engine
from shared.errors import EngineError, ModelMissing
from shared.gpu.device import Device, choose_device

log = logging.getLogger(__name__)

Runtime = Literal["onnxruntime", "openvino"]

KEPT_OPERATIONS = 1000
"""Compiled operations that OpenVINO keeps; a network has one for each layer and shape it has met.

Its own bound, 5 000, is hundreds of MiB for a detector that meets pictures of all sizes.
"""


def create_detector(options: Mapping[str, Any]) -> Engine:
    """The detector, for a lane."""
    return DetectorEngine(EngineOptions.from_json(options), RapidOcr())


def create_recogniser(options: Mapping[str, Any]) -> Engine:
    """The recognisers, for a lane."""
    return RecogniserEngine(EngineOptions.from_json(options), RapidOcr())


class RapidOcr:
    """Opens networks; where the settings leave it open, in the runtime that is faster here."""

    def choose_device(self, options: EngineOptions, weights: Weights) -> Device:
        """A GPU where ONNX Runtime's build can use one; OpenVINO runs on the CPU."""

        def runtime_gpus() -> int:
            return 16 if "CUDAExecutionProvider" in onnxruntime.get_available_providers() else 0

        uses_onnxruntime = options.runtime != "openvino"
        return choose_device(
            options.device, runtime_gpus=runtime_gpus if uses_onnxruntime else None
        )

    def open_detector(
        self, weights: Weights, options: EngineOptions, device: Device
    ) -> DetectorNetwork:
        """Load a detector; a faster runtime must find the golden line where the first finds it."""
        runtimes = _runtimes(options, device)
        networks = [_Detector(weights, options, device, each) for each in runtimes]
        page = golden_page()
        return faster(networks, lambda network: network([page]), finds_alike)

    def open_recogniser(
        self, weights: Weights, options: EngineOptions, device: Device
    ) -> RecogniserNetwork:
        """Load a recogniser; a faster runtime must read the golden line as the first reads it."""
        runtimes = _runtimes(options, device)
        networks = [_Recogniser(weights, options, device, each) for each in runtimes]
        crop, (_, width_px) = golden_crop(), golden_key(weights.name)
        return faster(networks, lambda network: network([crop], width_px), reads_alike)


class _Detector:
    """A detector in one runtime."""

    def __init__(
        self, weights: Weights, options: EngineOptions, device: Device, runtime: Runtime
    ) -> None:
        config = _network_config("Det", weights, options, device, runtime)
        config.limit_side_len = GRID_PX  # pictures come at the size at which they are searched
        self._detector: Any = TextDetector(config)  # rapidocr has no types
        if runtime == "openvino":
            _bound_memory(self._detector.session, options)
        self.runtime: str = runtime
        self.compute_type = _compute_type(self._detector.session, runtime)

    def __call__(self, pictures: Sequence[ImageArray]) -> list[FoundText]:
        prepare = self._detector.get_preprocess()
        batch = np.concatenate([prepare(each) for each in pictures])  # (n, 3, height, width)
        maps = np.asarray(self._detector.session(batch))  # (n, 1, height, width)
        return [self._found(maps[n : n + 1], each) for n, each in enumerate(pictures)]

    def _found(self, text_map: Any, picture: ImageArray) -> FoundText:  # noqa: ANN401 - untyped
        boxes, _scores = self._detector.postprocess_op(text_map, picture.shape[:2])
        if len(boxes) < 1:
            return FoundText(np.zeros((0, 4, 2), np.float32))
        # The scores are left behind: RapidOCR sorts the boxes but not their scores.
        return FoundText(np.asarray(self._detector.sorted_boxes(boxes), np.float32))

    def close(self) -> None:
        self._detector = None


class _Recogniser:
    """A recogniser in one runtime."""

    def __init__(
        self, weights: Weights, options: EngineOptions, device: Device, runtime: Runtime
    ) -> None:
        config = _network_config("Rec", weights, options, device, runtime)
        with tempfile.TemporaryDirectory(prefix="gantry-ocr-") as folder:
            config.rec_keys_path = _character_file(weights, folder)
            self._network: Any = TextRecognizer(config)  # rapidocr has no types
        if runtime == "openvino":
            _bound_memory(self._network.session, options)
        self.runtime: str = runtime
        self.compute_type = _compute_type(self._network.session, runtime)

    def __call__(self, crops: Sequence[ImageArray], width_px: int) -> list[Reading]:
        ratio = width_px / CROP_HEIGHT_PX
        padded = np.stack([self._network.resize_norm_img(crop, ratio) for crop in crops])
        # (n_crops, n_steps, n_classes); a runtime may reuse the memory in its next run
        probabilities = np.asarray(self._network.session(padded.astype(np.float32)))
        height, width = padded.shape[2:]
        characters = self._network.postprocess_op.character
        return [
            decode(each, characters, used=min(1.0, height * crop.shape[1] / crop.shape[0] / width))
            for each, crop in zip(probabilities, crops, strict=True)
        ]

    def close(self) -> None:
        self._network = None


def _runtimes(options: EngineOptions, device: Device) -> list[Runtime]:
    """Those to choose from; the first is the measure of what is right."""
    if options.runtime == "auto":
        return ["onnxruntime"] if device.is_gpu else ["onnxruntime", "openvino"]
    return ["openvino" if options.runtime == "openvino" else "onnxruntime"]


def _compute_type(session: Any, runtime: Runtime) -> str:  # noqa: ANN401 - untyped
    if runtime == "onnxruntime":
        return "float32"
    compiled = session.session.get_compiled_model()
    used = str(compiled.get_property("INFERENCE_PRECISION_HINT"))
    return "bfloat16" if "bfloat16" in used else "float32"


def _network_config(
    section: str, weights: Weights, options: EngineOptions, device: Device, runtime: Runtime
) -> Any:  # noqa: ANN401 - omegaconf's node
    if weights.path.suffix != ".onnx":
        raise ModelMissing(
            f"{weights.path} holds no inference.onnx, the only format that RapidOCR runs here; "
            "set OCR_ENGINE=paddleocr for Paddle's own format"
        )
    rapidocr_logger.setLevel(logging.WARNING)
    config: Any = OmegaConf.load(Path(rapidocr.__file__).parent / "config.yaml")
    network = config[section]
    network.engine_type = EngineType(runtime)
    network.model_path = str(weights.path)
    network.font_path = None
    if runtime == "onnxruntime":
        network._set_flag("allow_objects", True)
        network.session = _onnx_session(weights.path, options, device)
    else:
        network.engine_cfg = config.EngineConfig[runtime]
    return network


def _onnx_session(path: Path, options: EngineOptions, device: Device) -> Any:  # noqa: ANN401
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.thread_count()
    settings.inter_op_num_threads = 1
    settings.enable_cpu_mem_arena = False  # it keeps the memory of the largest picture seen
    settings.log_severity_level = 4
    # Threads that spin between runs starve the other processes on the same cores.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers: list[Any] = ["CPUExecutionProvider"]
    if device.is_gpu:
        onnxruntime.preload_dlls()  # CUDA's libraries where pip has put them
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": device.index}))
    session = onnxruntime.InferenceSession(str(path), settings, providers=providers)
    if device.is_gpu and "CUDAExecutionProvider" not in session.get_providers():
        # ONNX Runtime goes to the CPU with a warning only.
        raise EngineError(
            "ONNX Runtime could not start CUDA: its libraries are missing or of another version"
        )
    return session


def _bound_memory(session: Any, options: EngineOptions) -> None:  # noqa: ANN401 - untyped
    """Compile a network of OpenVINO's anew with a setting that RapidOCR cannot pass on."""
    import openvino

    settings = {
        "INFERENCE_NUM_THREADS": options.thread_count(),
        "CPU_RUNTIME_CACHE_CAPACITY": str(KEPT_OPERATIONS),
    }
    compiled = openvino.Core().compile_model(session.model, "CPU", settings)
    session.session = compiled.create_infer_request()


def _character_file(weights: Weights, folder: str) -> str | None:
    """Write the characters of ``inference.yml``; None where the network carries its own."""
    settings = weights.path.parent / DESCRIPTION
    if not settings.is_file():
        return None
    listed = yaml.safe_load(settings.read_text())["PostProcess"].get("character_dict")
    if listed is None:
        return None
    target = Path(folder) / "characters.txt"
    target.write_text("".join(f"{each}\n" for each in listed))
    return str(target)
