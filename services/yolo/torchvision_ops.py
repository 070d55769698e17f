"""Lets Ultralytics run beside a PyTorch that torchvision's compiled operators do not fit.

PyPI's torchvision is built for CUDA. With a CPU build of PyTorch its library does not load, `import
torchvision` raises "operator torchvision::nms does not exist", and Ultralytics imports it while
predicting. Where the operators load, nothing is changed. Where they do not, their schemas are
declared and non-maximum suppression is taken from Ultralytics' own pure PyTorch version; nothing
else of torchvision's operators is offered. That version is slower (about 10 ms for 300 boxes
against well under 1), so it suits CPU machines only.
"""

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_keep_alive: list[object] = []  # a torch Library takes its operators back when it is collected


@lru_cache(maxsize=1)
def ensure_torchvision() -> str:
    """Make `import torchvision` work; call before the first use of Ultralytics.

    Returns:
        "native" if torchvision's own operators serve, "fallback" if not.

    Raises:
        ImportError: torchvision is not installed.
    """
    import torch

    ops: Any = torch.ops
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise ImportError("torchvision is not installed; see services/yolo/requirements-nodeps.in")
    try:
        ops.load_library(str(Path(spec.origin).with_name("_C.so")))
        importlib.import_module("torchvision")
    except (OSError, RuntimeError):
        _declare_operators()
        return "fallback"
    return "native"


def _declare_operators() -> None:
    import torch

    library_type: Any = torch.library.Library
    library = library_type("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(name + _SCHEMA)
    library.impl("nms", _suppress, "CPU")
    extension: Any = importlib.import_module("torchvision.extension")
    extension._has_ops = lambda: True  # torchvision asks it before every operator
    _keep_alive.append(library)


def _suppress(boxes: "Tensor", scores: "Tensor", iou_threshold: float) -> "Tensor":
    from ultralytics.utils.nms import TorchNMS

    return TorchNMS.nms(boxes, scores, iou_threshold)
