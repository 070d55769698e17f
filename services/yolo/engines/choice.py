"""Choose what runs a model: by its kind of file, by the settings, else by measuring."""

import logging
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from PIL import Image

from services.yolo.engines.forward import Forward
from services.yolo.engines.probe import difference, fastest
from services.yolo.facts import ModelFacts
from services.yolo.letterbox import Pixels, crop_centre, fit
from services.yolo.sample import sample_canvas
from services.yolo.weights import Weights
from shared.errors import ModelMissing
from shared.gpu.device import Device, choose_device, list_gpus

log = logging.getLogger(__name__)

EngineName = Literal["auto", "onnxruntime", "openvino", "torch"]


@dataclass(frozen=True)
class EngineOptions:
    """How a model is to be run."""

    engine: EngineName = "auto"  # runtime; auto measures which is the fastest
    device: str = "auto"  # auto, cpu, cuda or cuda:N
    threads: int = 1  # CPU threads of a forward pass
    exact: bool = False  # calculate in float32 also where half precision is faster
    probe_batches: bool = False  # measure whether batches pay


def open_model(weights: Weights, options: EngineOptions) -> tuple[Forward, Device]:
    """Load a model into the runtime that suits it.

    Args:
        weights: found and checked.
        options: of the operator.

    Returns:
        The loaded model, and the device with the reason if it had to be the CPU.

    Raises:
        ModelMissing: the file cannot be loaded, or not by the runtime asked for.
        DeviceUnavailable: the device asked for cannot be used.
    """
    if weights.checkpoint is not None and _wants_torch(options):
        weights = replace(weights, path=weights.checkpoint)
    if not weights.is_onnx:
        return _open_checkpoint(weights, options)
    if options.engine == "torch":
        raise ModelMissing(f"{weights.path} is an ONNX export; YOLO_ENGINE=torch takes a .pt")
    from services.yolo.engines import onnx_model

    if options.engine == "openvino":
        device = choose_device(options.device)
    else:
        device = choose_device(options.device, runtime_gpus=onnx_model.usable_gpus)
    original = onnx_model.OnnxModel(weights, device, options.threads)
    if device.is_gpu or options.engine == "onnxruntime":
        return original, device
    if options.engine == "openvino":
        from services.yolo.engines.openvino_model import OpenVinoModel

        return OpenVinoModel(weights, original, options.threads, exact=options.exact), device
    return _fastest(original, weights, options), device


def _wants_torch(options: EngineOptions) -> bool:
    """Whether a checkpoint serves better than its export: on a GPU, which torch brings with it."""
    if options.engine == "auto":
        return options.device != "cpu" and bool(list_gpus())
    return options.engine == "torch"


def _open_checkpoint(weights: Weights, options: EngineOptions) -> tuple[Forward, Device]:
    if options.engine not in ("auto", "torch"):
        raise ModelMissing(
            f"{weights.path} needs YOLO_ENGINE=torch; {options.engine} takes an .onnx export"
        )
    from services.yolo.engines import torch_model

    device = choose_device(options.device, runtime_gpus=torch_model.usable_gpus)
    if not device.is_gpu:
        log.info(
            "%s runs in torch; an ONNX export beside it is about twice as fast on a CPU: "
            "python -m services.yolo.engines.export %s", weights.path, weights.path,
        )  # fmt: skip
    model = torch_model.TorchModel(weights, device, options.threads, exact=options.exact)
    return model, device


def _fastest(original: Forward, weights: Weights, options: EngineOptions) -> Forward:
    """``original``, or OpenVINO where that answers the same and is faster here."""
    from services.yolo.engines.openvino_model import OpenVinoModel

    canvases = verification_canvases(weights, original.facts)
    for exact in (True,) if options.exact else (False, True):
        other = OpenVinoModel(weights, original, options.threads, exact=exact)
        told = difference(original, other, canvases)
        if told is None:
            return fastest([original, other], canvases[0])
        log.warning("openvino in %s is not used: %s", other.compute_type, told)
        if other.compute_type == "float32":
            break
    return original


def verification_canvases(weights: Weights, facts: ModelFacts) -> list[Pixels]:
    """Canvases on which runtimes are compared: a drawn one, and the model's own samples.

    Raises:
        ModelMissing: a sample is not a picture.
    """
    height, width = facts.usual_shape
    canvases = [sample_canvas(height, width)]
    for path in weights.samples:
        try:
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB"))
        except (OSError, ImportError):  # Ultralytics' own Image.open asks for a HEIF plugin
            raise ModelMissing(f"{path} is not a picture; remove it from the samples") from None
        if facts.task == "classify":
            canvases.append(crop_centre(pixels, facts.image_size))
        else:
            placed = fit(pixels.shape[1], pixels.shape[0], canvas=(height, width), stride_px=None)
            canvases.append(placed.paint(pixels))
    return canvases
