"""Write what was found in the words of the API."""

from typing import Any

import numpy as np

from services.yolo.facts import ModelFacts
from services.yolo.found import FloatArray, Found
from services.yolo.schemas import Box, ClassScore, Detection, Keypoint

PIXEL_DIGITS, SCORE_DIGITS = 2, 4


def detections_of(found: Found, facts: ModelFacts) -> list[Detection]:
    """Detections, best first.

    Args:
        found: in pixels of the picture.
        facts: of the model that found it.
    """
    corners = _rounded(found.boxes)
    scores = np.round(found.scores.astype(float), SCORE_DIGITS).tolist()
    polygons = [_rounded(each) for each in found.polygons]
    detections = []
    for number, class_id in enumerate(found.class_ids.tolist()):
        x1, y1, x2, y2 = corners[number]
        detections.append(
            Detection(
                class_id=class_id,
                class_name=facts.classes[class_id],
                confidence=scores[number],
                box=Box(x1=x1, y1=y1, x2=x2, y2=y2),
                polygon=polygons[number] if polygons else None,
                keypoints=None if found.keypoints is None else _keypoints(found.keypoints[number]),
            )
        )
    return detections


def classes_of(found: Found, facts: ModelFacts) -> list[ClassScore]:
    """Classes of a whole picture, best first."""
    return [
        ClassScore(
            class_id=class_id,
            class_name=facts.classes[class_id],
            confidence=round(float(score), SCORE_DIGITS),
        )
        for class_id, score in zip(found.class_ids.tolist(), found.scores, strict=True)
    ]


def _keypoints(points: FloatArray) -> list[Keypoint]:
    """Points (points, 2 or 3): x, y and, of most models, a confidence."""
    places = _rounded(points[:, :2])
    scores: list[float | None] = [None] * len(points)
    if points.shape[1] > 2:
        scores = np.round(points[:, 2].astype(float), SCORE_DIGITS).tolist()
    return [
        Keypoint(x=x, y=y, confidence=score) for (x, y), score in zip(places, scores, strict=True)
    ]


def _rounded(values: FloatArray) -> Any:  # noqa: ANN401 - lists nested as deep as the array
    return np.round(values.astype(float), PIXEL_DIGITS).tolist()
