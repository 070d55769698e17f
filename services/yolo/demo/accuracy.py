"""Mean average precision, by Ultralytics' evaluator so that figures compare with others."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.yolo.demo.classes import CLASS_NAMES
from services.yolo.engines.torchvision_ops import ensure_torchvision

IOU_THRESHOLD = 0.5

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Found:
    """What a detector found in one picture.

    Attributes:
        boxes: (n, 4) xyxy in pixels.
        confidences: (n,) 0 to 1.
        class_ids: (n,).
    """

    boxes: FloatArray
    confidences: FloatArray
    class_ids: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Truth:
    """What there is to find: (n, 4) xyxy boxes and (n,) classes."""

    boxes: FloatArray
    class_ids: npt.NDArray[np.int64]


def mean_average_precision(found: list[Found], truths: list[Truth]) -> dict[str, float]:
    """AP at IoU 0.5 of each class that occurs, and their mean under "all"."""
    by_class = average_precisions(found, truths)
    mean = float(np.mean(list(by_class.values()))) if by_class else 0.0
    return {"all": mean, **{CLASS_NAMES[k]: value for k, value in by_class.items()}}


def average_precisions(found: list[Found], truths: list[Truth]) -> dict[int, float]:
    """AP at IoU 0.5 of each class that occurs, by its id."""
    ensure_torchvision()
    from ultralytics.utils.metrics import ap_per_class

    hits = np.concatenate([match(f, t)[:, None] for f, t in zip(found, truths, strict=True)])
    result = ap_per_class(
        hits,
        np.concatenate([f.confidences for f in found]),
        np.concatenate([f.class_ids for f in found]),
        np.concatenate([t.class_ids for t in truths]),
    )
    values, classes = result[5][:, 0], result[6]
    return {int(k): float(value) for k, value in zip(classes, values, strict=True)}


def match(found: Found, truth: Truth) -> npt.NDArray[np.bool_]:
    """Which detections are hits: a truth goes to the most confident box of its class on it."""
    hits = np.zeros(len(found.boxes), bool)
    if not len(truth.boxes):
        return hits
    overlaps = intersection_over_union(found.boxes, truth.boxes)
    overlaps[found.class_ids[:, None] != truth.class_ids[None, :]] = 0
    free = np.ones(len(truth.boxes), bool)
    for index in np.argsort(-found.confidences, kind="stable"):
        best = int(np.argmax(np.where(free, overlaps[index], -1.0)))
        if free[best] and overlaps[index, best] >= IOU_THRESHOLD:
            hits[index], free[best] = True, False
    return hits


def intersection_over_union(a: FloatArray, b: FloatArray) -> FloatArray:
    """Overlap of every box of `a` with every box of `b`, both xyxy; (len(a), len(b))."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (a, b)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    return np.asarray(shared / np.maximum(union, 1e-9), np.float32)
