"""What the detector finds on real drawings, against boxes measured by eye.

The drawings (test samples of eDOCr, MIT) are found through the environment variable
GANTRY_TEST_DATA; they are no part of this repository.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from services.yolo.demo.accuracy import Found, intersection_over_union
from services.yolo.demo.classes import CLASS_ID
from services.yolo.demo.finder import Finder

CONFIDENCE = 0.25  # what callers get unless they ask for another
_LEAST_OVERLAP = 0.5
_LEAST_OVERLAP_DIMENSION = 0.3  # the authors' dimension labels are generous

FractionBox = tuple[float, float, float, float]

# Boxes as fractions of width and height; every thing of these classes on the sheet is listed.
_COMPLETE = (
    "feature_control_frame",
    "datum",
    "surface_texture",
    "section_mark",
    "title_block",
    "table",
    "balloon",
)
TRUTH: dict[str, dict[str, tuple[FractionBox, ...]]] = {
    "halter": {
        "feature_control_frame": (
            (0.4995, 0.2135, 0.6136, 0.2363),
            (0.3139, 0.2842, 0.3952, 0.3062),
            (0.4270, 0.2842, 0.5423, 0.3062),
            (0.2492, 0.5524, 0.3633, 0.5752),
            (0.2700, 0.6071, 0.4808, 0.6299),
            (0.5016, 0.6489, 0.6663, 0.6717),
        ),
        "datum": (
            (0.1196, 0.0585, 0.1658, 0.0821),
            (0.1559, 0.3032, 0.1910, 0.3397),
            (0.4391, 0.4871, 0.4863, 0.5099),
            (0.1416, 0.5198, 0.1899, 0.5426),
        ),
        "surface_texture": ((0.7080, 0.7059, 0.9418, 0.7660),),
        "title_block": ((0.0944, 0.7743, 0.9517, 0.9559),),
    },
    "Gripper": {
        "surface_texture": ((0.7144, 0.6869, 0.9178, 0.7485),),
        "title_block": ((0.0944, 0.7631, 0.9522, 0.9454),),
    },
    "Candle_holder": {
        "section_mark": ((0.2684, 0.3633, 0.3136, 0.3802), (0.2684, 0.5489, 0.3136, 0.5659)),
        "surface_texture": ((0.2471, 0.8792, 0.2669, 0.8922),),
        "title_block": ((0.1808, 0.8373, 0.9534, 0.9671),),
    },
}


@dataclass(frozen=True)
class Score:
    """Counts on one drawing for one class; false alarms are -1 where the truth is incomplete."""

    found: int
    present: int
    false_alarms: int


def score(data: Path, finder: Finder) -> dict[str, dict[str, Score]]:
    """Counts by drawing and class, at the default confidence."""
    scores: dict[str, dict[str, Score]] = {}
    for name, truth in TRUTH.items():
        path = data / "drawings" / f"{name}.jpg"
        sheet = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if sheet is None:
            raise FileNotFoundError(path)
        found = finder.find_on_sheet(np.asarray(sheet, np.uint8), CONFIDENCE)
        scale = np.array([sheet.shape[1], sheet.shape[0]] * 2, np.float32)
        rows = {
            kind: _count(
                found, kind, np.array(truth.get(kind, ()), np.float32).reshape(-1, 4) * scale
            )
            for kind in _COMPLETE
        }
        dimensions = _count(found, "dimension", _dimension_boxes(path.with_suffix(".csv")))
        rows["dimension"] = Score(dimensions.found, dimensions.present, -1)
        scores[name] = rows
    return scores


def _count(found: Found, kind: str, truth: np.ndarray) -> Score:
    boxes = found.boxes[found.class_ids == CLASS_ID[kind]]
    least = _LEAST_OVERLAP_DIMENSION if kind == "dimension" else _LEAST_OVERLAP
    overlaps = intersection_over_union(boxes, truth) >= least  # (n_found, n_truth)
    return Score(int(overlaps.any(axis=0).sum()), len(truth), int((~overlaps.any(axis=1)).sum()))


def _dimension_boxes(labels: Path) -> np.ndarray:
    """Upright boxes around the authors' four-cornered labels; theirs are not all of a sheet."""
    with labels.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file) if row and row[8] != "other_info"]
    corners = np.array([[float(value) for value in row[:8]] for row in rows], np.float32)
    points = corners.reshape(-1, 4, 2)
    return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
