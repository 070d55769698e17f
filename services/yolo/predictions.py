"""Turn a model's raw output for one canvas into what it found, for every task.

Layouts are those of Ultralytics' exports. With ``c`` classes and ``a`` anchors:

    detect    (4 + c, a)            box centre and size, class scores
    segment   (4 + c + m, a)        and m mask coefficients; second output (m, mask height, width)
    pose      (4 + c + p * d, a)    and p keypoints of d values
    obb       (4 + c + 1, a)        and the angle in radians
    classify  (c,)                  probabilities
    end-to-end, each of the first four: (k, 6 + extras), xyxy or xywh, score, class, extras
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from services.yolo.boxes import (
    best_first,
    oriented_corners,
    suppress,
    suppress_oriented,
    xywh_to_xyxy,
)
from services.yolo.facts import ModelFacts
from services.yolo.found import BatchKey, FloatArray, Found

TOP_CLASSES = 5
"""Classes that a classification reports."""


@dataclass(frozen=True)
class _Candidates:
    """What passed the thresholds, before suppression."""

    boxes: FloatArray  # (n, 4): xyxy, for obb centre and size
    scores: FloatArray  # (n,)
    class_ids: NDArray[np.int32]  # (n,)
    extras: FloatArray  # (n, …): mask coefficients, keypoints or angle

    def take(self, indices: NDArray[np.intp] | NDArray[np.bool_]) -> "_Candidates":
        """Those at ``indices``, in that order."""
        return _Candidates(
            self.boxes[indices], self.scores[indices], self.class_ids[indices], self.extras[indices]
        )


def read_predictions(outputs: Sequence[FloatArray], facts: ModelFacts, key: BatchKey) -> Found:
    """Read the model's outputs for one canvas.

    Args:
        outputs: as laid out above, float32.
        facts: of the model.
        key: canvas shape, thresholds and classes.

    Returns:
        At most ``key.max_detections`` findings, best first, in pixels of the canvas.
    """
    if facts.task == "classify":
        return _classes(outputs[0], key)
    candidates = _kept(_candidates(outputs[0], facts, key), facts, key)
    if facts.task == "obb":
        corners = oriented_corners(np.concatenate([candidates.boxes, candidates.extras], axis=1))
        hulls = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
        return _found(replace(candidates, boxes=hulls), polygons=list(corners))
    if facts.task == "pose":
        assert facts.keypoint_shape is not None
        return _found(candidates, keypoints=candidates.extras.reshape(-1, *facts.keypoint_shape))
    if facts.task == "segment":
        return _with_outlines(candidates, outputs[1], key)
    return _found(candidates)


def _candidates(raw: FloatArray, facts: ModelFacts, key: BatchKey) -> _Candidates:
    """Rows whose best class scores above the threshold and is asked for."""
    if facts.has_nms:
        rows = raw[raw[:, 4] > key.confidence]
        found = _Candidates(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int32), rows[:, 6:])
    else:
        last = 4 + len(facts.classes)
        best = raw[4:last].max(axis=0)
        columns = np.flatnonzero(best > key.confidence)
        rows = raw[:, columns].T  # (n, 4 + classes + extras)
        boxes = rows[:, :4] if facts.task == "obb" else xywh_to_xyxy(rows[:, :4])
        class_ids = rows[:, 4:last].argmax(axis=1).astype(np.int32)
        found = _Candidates(boxes, best[columns], class_ids, rows[:, last:])
    if key.class_ids is not None:
        found = found.take(np.isin(found.class_ids, key.class_ids))
    return found


def _kept(candidates: _Candidates, facts: ModelFacts, key: BatchKey) -> _Candidates:
    """What is left after suppression, best first."""
    if facts.has_nms:
        return candidates.take(best_first(candidates.scores, key.max_detections))
    scores, class_ids = candidates.scores, candidates.class_ids
    if facts.task == "obb":
        boxes = np.concatenate([candidates.boxes, candidates.extras], axis=1)
        kept = suppress_oriented(
            boxes, scores, class_ids,
            iou_threshold=key.iou_threshold, max_detections=key.max_detections,
        )  # fmt: skip
    else:
        kept = suppress(
            candidates.boxes, scores, class_ids,
            iou_threshold=key.iou_threshold, max_detections=key.max_detections,
        )  # fmt: skip
    return candidates.take(kept)


def _found(
    candidates: _Candidates,
    polygons: list[FloatArray] | None = None,
    keypoints: FloatArray | None = None,
) -> Found:
    return Found(
        np.ascontiguousarray(candidates.boxes, np.float32),
        np.ascontiguousarray(candidates.scores, np.float32),
        candidates.class_ids,
        polygons or [],
        keypoints,
    )


def _with_outlines(candidates: _Candidates, prototypes: FloatArray, key: BatchKey) -> Found:
    """Add to each finding the outline of its mask; one whose mask is empty is dropped."""
    masks, height, width = prototypes.shape
    logits = (candidates.extras @ prototypes.reshape(masks, -1)).reshape(-1, height, width)
    outlines = [
        _outline(mask, box, key) for mask, box in zip(logits, candidates.boxes, strict=True)
    ]
    kept = np.array([len(outline) > 0 for outline in outlines], bool)
    return _found(candidates.take(kept), polygons=[each for each in outlines if len(each)])


def _outline(logits: FloatArray, box: FloatArray, key: BatchKey) -> FloatArray:
    """Outer contour (points, 2) of the largest part of a mask within its box.

    Args:
        logits: (mask height, mask width); the mask is where they are above zero.
        box: (4,) xyxy in canvas pixels.
        key: gives the canvas shape that the mask is enlarged to.
    """
    size = (key.width_px, key.height_px)
    mask = (cv2.resize(logits, size, interpolation=cv2.INTER_LINEAR) > 0).astype(np.uint8)
    columns, rows = np.arange(key.width_px), np.arange(key.height_px)
    mask[:, (columns < box[0]) | (columns >= box[2])] = 0
    mask[(rows < box[1]) | (rows >= box[3])] = 0
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not contours:
        return np.zeros((0, 2), np.float32)
    return max(contours, key=cv2.contourArea).reshape(-1, 2).astype(np.float32)


def _classes(probabilities: FloatArray, key: BatchKey) -> Found:
    """The likeliest classes; their boxes are the whole canvas."""
    order = best_first(probabilities, len(probabilities))
    if key.class_ids is not None:
        order = order[np.isin(order, key.class_ids)]
    order = order[: min(TOP_CLASSES, key.max_detections)]
    whole = np.array([[0, 0, key.width_px, key.height_px]], np.float32)
    return Found(
        np.repeat(whole, len(order), axis=0),
        probabilities[order].astype(np.float32),
        order.astype(np.int32),
    )
