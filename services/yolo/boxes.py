"""Non-maximum suppression: of boxes that show the same thing, keep the best.

Axis-aligned boxes follow torchvision's ``nms`` within each class; oriented boxes follow the
``fast_nms`` of Ultralytics with the probabilistic overlap of Llerena et al. (arXiv 2106.06072).
"""

import numpy as np
from numpy.typing import NDArray

from services.yolo.found import FloatArray

Indices = NDArray[np.intp]

MAX_CANDIDATES = 30_000  # beyond it the worst are dropped, as in Ultralytics
MAX_ORIENTED_CANDIDATES = 2_000  # bounds the overlap matrix to 16 MB a term


def xywh_to_xyxy(boxes: FloatArray) -> FloatArray:
    """Boxes (…, 4) given by centre and size, by their corners."""
    half = boxes[..., 2:4] / 2
    return np.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], axis=-1)


def best_first(scores: FloatArray, limit: int = MAX_CANDIDATES) -> Indices:
    """Indices by falling score, ties in their order, at most ``limit``."""
    order: Indices = np.argsort(-scores, kind="stable")
    return order[:limit]


def overlap(box: FloatArray, boxes: FloatArray) -> FloatArray:
    """Intersection over union of one box (4,) with each of ``boxes`` (n, 4), all xyxy."""
    shared = intersection(box, boxes)
    area = (box[2] - box[0]) * (box[3] - box[1])
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    union = np.maximum(area + areas - shared, np.finfo(np.float32).tiny)
    return np.asarray(shared / union, np.float32)


def intersection(box: FloatArray, boxes: FloatArray) -> FloatArray:
    """Common area of one box with each of ``boxes``."""
    corner = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    return np.asarray(np.prod(np.maximum(corner, 0), axis=1), np.float32)


def suppress(
    boxes: FloatArray,
    scores: FloatArray,
    class_ids: NDArray[np.int32],
    *,
    iou_threshold: float,
    max_detections: int,
) -> Indices:
    """Choose the boxes to keep, best first.

    Args:
        boxes: (n, 4) xyxy.
        scores: (n,).
        class_ids: (n,); boxes of different classes do not suppress each other.
        iou_threshold: a box that overlaps a better one of its class by more than this goes.
        max_detections: the search ends when this many are kept.

    Returns:
        Indices into ``boxes``.
    """
    order = best_first(scores)
    kept: list[int] = []
    while len(order) and len(kept) < max_detections:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        same = class_ids[rest] == class_ids[best]
        gone = same & (overlap(boxes[best], boxes[rest]) > iou_threshold)
        order = rest[~gone]
    return np.array(kept, np.intp)


def suppress_oriented(
    boxes: FloatArray,
    scores: FloatArray,
    class_ids: NDArray[np.int32],
    *,
    iou_threshold: float,
    max_detections: int,
) -> Indices:
    """As ``suppress``, for boxes (n, 5): centre, size and angle in radians.

    A box goes if any better one of its class overlaps it, kept or not ("fast" suppression).
    """
    order = best_first(scores, MAX_ORIENTED_CANDIDATES)
    ious = oriented_overlap(boxes[order], boxes[order])
    ious[class_ids[order][:, None] != class_ids[order][None, :]] = 0
    is_better = np.triu(ious, k=1)  # rows are better than columns
    return order[~(is_better > iou_threshold).any(axis=0)][:max_detections]


def oriented_overlap(first: FloatArray, second: FloatArray) -> FloatArray:
    """Probabilistic overlap of oriented boxes: one minus the Hellinger distance of Gaussians.

    Args:
        first: (n, 5), centre x and y, width, height, angle in radians.
        second: (m, 5).

    Returns:
        (n, m), 0 to 1.
    """
    epsilon = 1e-7
    a1, b1, c1 = (term[:, None] for term in _covariance(first))
    a2, b2, c2 = (term[None, :] for term in _covariance(second))
    dx = first[:, None, 0] - second[None, :, 0]
    dy = first[:, None, 1] - second[None, :, 1]
    a, b, c = a1 + a2, b1 + b2, c1 + c2
    determinant = a * b - c**2
    distance = (a * dy**2 + b * dx**2) / (determinant + epsilon) / 4
    # The shear term has the published sign: the second covariance enters with (x2 - x1)(y1 - y2).
    distance += c * (-dx) * dy / (determinant + epsilon) / 2
    own = np.maximum(a1 * b1 - c1**2, 0) * np.maximum(a2 * b2 - c2**2, 0)
    distance += np.log(determinant / (4 * np.sqrt(own) + epsilon) + epsilon) / 2
    distance = np.clip(distance, epsilon, 100)
    return np.asarray(1 - np.sqrt(1 - np.exp(-distance) + epsilon), np.float32)


def _covariance(boxes: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Covariance terms (xx, yy, xy) of the uniform distribution over each oriented box."""
    a, b = boxes[:, 2] ** 2 / 12, boxes[:, 3] ** 2 / 12
    cos, sin = np.cos(boxes[:, 4]), np.sin(boxes[:, 4])
    return a * cos**2 + b * sin**2, a * sin**2 + b * cos**2, (a - b) * cos * sin


def oriented_corners(boxes: FloatArray) -> FloatArray:
    """Corners (n, 4, 2) of oriented boxes (n, 5), in order around the box."""
    cos, sin = np.cos(boxes[:, 4:5]), np.sin(boxes[:, 4:5])
    across = np.concatenate([cos, sin], axis=1) * boxes[:, 2:3] / 2
    down = np.concatenate([-sin, cos], axis=1) * boxes[:, 3:4] / 2
    centre = boxes[:, :2]
    return np.stack(
        [centre - across - down, centre + across - down, centre + across + down,
         centre - across + down],
        axis=1,
    ).astype(np.float32)  # fmt: skip
