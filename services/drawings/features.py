"""From what a drawing says to features whose tolerance can be predicted.

Only what the drawing states is used. Where it does not state a size that the prediction needs, the
largest length of the drawing stands in, as a bound, and the answer says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.drawings.grammar import Dimension, FeatureControlFrame
from services.drawings.interpret import Findings, Found

MAX_PARTS = 1000  # of one request to the tolerance service
MAX_SIZE_MM = 3150.0
MM_PER_INCH = 25.4
OWN_SIZE = "its own diameter"
LARGEST = "the largest length of the drawing, as a bound"
NEAR = 12.0  # a frame belongs to a dimension within this many heights of the dimension's text


@dataclass(frozen=True)
class Question:
    """One part for the tolerance service, and what it is about."""

    feature_id: str
    size_from: str
    part: Mapping[str, Any]


def questions(
    findings: Findings, ids: Mapping[int, str], material: str, process: str
) -> list[Question]:
    """What to ask about the features of a drawing.

    Args:
        findings: what was read.
        ids: of dimensions and frames, by ``id()`` of the found thing.
        material: as in the catalogue.
        process: as in the catalogue.
    """
    largest = _largest_length(findings.dimensions)
    asked = []
    for frame in findings.frames:
        question = _about_frame(frame, findings, largest)
        if question is not None:
            size_from, part = question
            asked.append(Question(ids[id(frame)], size_from, part))
    with_frame = {each.feature_id for each in asked}
    for dimension in findings.dimensions:
        diameter = _diameter_mm(dimension.reading)
        if diameter is not None and ids[id(dimension)] not in with_frame:
            part = {
                "feature": _round_feature(dimension.reading),
                "dimensions_mm": {"diameter": diameter},
                "characteristics": ["cylindricity"],
            }
            asked.append(Question(ids[id(dimension)], OWN_SIZE, part))
    common = {"material": material, "process": process}
    return [
        Question(each.feature_id, each.size_from, {"id": each.feature_id, **common, **each.part})
        for each in asked[:MAX_PARTS]
    ]


def _about_frame(
    frame: Found[FeatureControlFrame], findings: Findings, largest: float | None
) -> tuple[str, dict[str, Any]] | None:
    reading = frame.reading
    spec: dict[str, Any] = {"spec_mm": reading.value.value} if reading.value.value > 0 else {}
    if reading.characteristic == "flatness" and largest is not None:
        return LARGEST, {
            "feature": "plane", "dimensions_mm": {"length": largest},
            "characteristics": ["flatness"], **spec,
        }  # fmt: skip
    if reading.characteristic == "position" and largest is not None:
        return LARGEST, {
            "feature": "pattern", "dimensions_mm": {"location_x": largest},
            "characteristics": ["position"], **spec,
        }  # fmt: skip
    if reading.characteristic == "cylindricity":
        near = _nearest_diameter(frame, findings.dimensions)
        if near is not None:
            return OWN_SIZE, {
                "feature": _round_feature(near), "dimensions_mm": {"diameter": _diameter_mm(near)},
                "characteristics": ["cylindricity"], **spec,
            }  # fmt: skip
    return None


def _nearest_diameter(
    frame: Found[FeatureControlFrame], dimensions: Sequence[Found[Dimension]]
) -> Dimension | None:
    """The diameter written right above or below a frame, as both belong to one feature."""
    best: tuple[float, Dimension | None] = (NEAR, None)
    for each in dimensions:
        if each.place.page != frame.place.page or _diameter_mm(each.reading) is None:
            continue
        box, other = frame.place.box, each.place.box
        shared = min(box.x2, other.x2) - max(box.x1, other.x1)
        gap = max(box.y1 - other.y2, other.y1 - box.y2, 0.0)
        height = min(other.width, other.height)
        if shared > 0 and height > 0 and gap / height < best[0]:
            best = (gap / height, each.reading)
    return best[1]


def _round_feature(dimension: Dimension) -> str:
    """A hole where the callout says so; else the outside of a cylinder."""
    fit = dimension.fit
    is_hole = (
        (fit is not None and fit.hole is not None)
        or dimension.is_through
        or dimension.depth is not None
        or bool(dimension.steps)
    )
    return "hole" if is_hole else "cylinder"


def _diameter_mm(dimension: Dimension) -> float | None:
    return _in_mm(dimension) if dimension.kind == "diameter" else None


def _largest_length(dimensions: Sequence[Found[Dimension]]) -> float | None:
    lengths = [
        _in_mm(each.reading)
        for each in dimensions
        if each.reading.kind in ("linear", "diameter") and not each.reading.is_reference
    ]
    return max((each for each in lengths if each is not None), default=None)


def _in_mm(dimension: Dimension) -> float | None:
    number = dimension.nominal or dimension.upper_limit
    if number is None or dimension.unit not in (None, "mm", "in"):
        return None
    value = number.value * (MM_PER_INCH if dimension.unit == "in" else 1.0)
    return value if 0 < value <= MAX_SIZE_MM else None
