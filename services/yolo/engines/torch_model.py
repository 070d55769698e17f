"""Run an Ultralytics checkpoint with torch: half precision on a GPU, channels last everywhere."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from services.yolo.engines.torchvision_ops import ensure_torchvision
from services.yolo.facts import TASKS, ModelFacts
from services.yolo.found import FloatArray
from services.yolo.letterbox import Pixels
from services.yolo.weights import Weights
from shared.errors import ModelMissing
from shared.gpu.device import Device

MIN_STRIDE = 32
DEFAULT_IMAGE_SIZE = 640


class TorchModel:
    """A checkpoint in torch."""

    runtime = "torch"
    fixed_batch: int | None = None

    def __init__(
        self, weights: Weights, device: Device, threads: int, *, exact: bool = False
    ) -> None:
        """Load the checkpoint, fuse its layers and put it on the device.

        Args:
            weights: a ``.pt`` file; loaded without executing code from it.
            device: the CPU or a GPU that ``usable_gpus`` counts.
            threads: CPU threads of one forward pass.
            exact: calculate in float32 on a GPU too.

        Raises:
            ModelMissing: the file is not a checkpoint of Ultralytics.
        """
        ensure_torchvision()
        from ultralytics.nn import tasks

        load_checkpoint: Any = tasks.load_checkpoint  # untyped there

        torch.set_num_threads(threads)  # importing ultralytics has set its own number
        target = torch.device(device.name)
        try:
            model, checkpoint = load_checkpoint(weights.path, device=target)
            # Asked to load and fuse at once, it also counts operations, for a second or two.
            model.fuse(verbose=False)
        except Exception as error:
            raise ModelMissing(
                f"{weights.path} cannot be loaded as a checkpoint of Ultralytics "
                f"({type(error).__name__})"
            ) from error
        self._half = device.is_gpu and not exact
        self._target = target
        self.licence = str(checkpoint.get("license") or "")
        self.device = device.name
        self.compute_type = "float16" if self._half else "float32"
        model = model.half() if self._half else model.float()
        self._model = model.eval().to(memory_format=torch.channels_last)
        self.facts = _facts(model, checkpoint, weights)

    def __call__(self, canvases: Sequence[Pixels]) -> list[FloatArray]:
        """Run canvases of one shape; they travel to the device as bytes."""
        pixels = torch.from_numpy(np.stack(canvases)).to(self._target)
        pictures = pixels.permute(0, 3, 1, 2).float().div_(255)  # (n, 3, h, w), channels last
        with torch.inference_mode():
            answer = self._model(pictures.half() if self._half else pictures)
        return [each.float().cpu().numpy() for each in _outputs(answer)]


def usable_gpus() -> int:
    """GPUs that torch can use."""
    return torch.cuda.device_count()


def _outputs(answer: Any) -> list[torch.Tensor]:  # noqa: ANN401 - nested tuples by the task
    """The tensors of interest: a head in evaluation mode also returns what training needs."""
    first = answer[0] if isinstance(answer, (tuple, list)) else answer
    return list(first) if isinstance(first, (tuple, list)) else [first]


def _facts(model: Any, checkpoint: Any, weights: Weights) -> ModelFacts:  # noqa: ANN401
    task = weights.manifest.get("task", getattr(model, "task", "detect"))
    if task not in TASKS:
        raise ModelMissing(f"{weights.path}: task {task!r} is not served")
    names = weights.manifest.get("classes", model.names)
    if isinstance(names, dict):
        names = [names[number] for number in sorted(names)]
    trained = checkpoint.get("train_args") or {}
    size = weights.manifest.get("image_size", trained.get("imgsz", DEFAULT_IMAGE_SIZE))
    keypoints = getattr(model, "kpt_shape", None)
    stride = max(int(model.stride.max()), MIN_STRIDE) if hasattr(model, "stride") else MIN_STRIDE
    return ModelFacts(
        task=task,
        classes=tuple(str(name) for name in names),
        image_size=int(max(size) if isinstance(size, (list, tuple)) else size),
        stride=stride,
        has_nms=bool(getattr(model, "end2end", False)),
        keypoint_shape=(int(keypoints[0]), int(keypoints[1])) if keypoints else None,
    )
