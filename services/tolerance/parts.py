"""The plain data of a prediction: what a client asks about a part, and what it is told.

These msgspec structures are the domain's own types and at the same time what the fast route
decodes JSON into and encodes it from, so that no copy lies between the wire and the model.
Lengths are millimetres throughout. ``UNSET`` fields are left out of the JSON.
"""

from dataclasses import dataclass

import msgspec
from msgspec import UNSET, UnsetType

MAX_PARTS = 1000
MIN_SIZE_MM = 0.001  # shorter than a micrometre is a mistake in the unit
MAX_SIZE_MM = 3150.0  # where ISO 286-1 ends
MIN_SPEC_MM = 1e-6
MAX_ID_CHARACTERS = 128
CPK_TARGET_RANGE = (0.33, 3.0)
CONFIDENCE_LEVEL_RANGE = (0.5, 0.99)
DEFAULT_CPK_TARGET = 1.33
DEFAULT_CONFIDENCE_LEVEL = 0.9


class Dimensions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nominal sizes of a feature in mm; which of them count depends on the feature."""

    length: float | None = None
    width: float | None = None
    thickness: float | None = None
    diameter: float | None = None
    depth: float | None = None
    location_x: float | None = None
    location_y: float | None = None


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One feature of one part, with the geometrical characteristics asked for."""

    material: str
    process: str
    feature: str
    dimensions_mm: Dimensions
    characteristics: list[str]
    id: str | None = None
    # One width for every characteristic asked for, or one per characteristic by name.
    spec_mm: float | dict[str, float] | None = None


class PredictRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Up to ``MAX_PARTS`` parts that share a capability target and a confidence level."""

    parts: list[Part]
    cpk_target: float = DEFAULT_CPK_TARGET
    confidence_level: float = DEFAULT_CONFIDENCE_LEVEL
    explain: bool = False


class Baseline(msgspec.Struct, frozen=True):
    """The standard's own figure for the typical grade of the process."""

    value_mm: float
    basis: str
    standard: str
    grade: str


class Verdict(msgspec.Struct, frozen=True):
    """Whether the process holds a specified zone."""

    spec_mm: float
    status: str  # pass | marginal | fail
    margin_mm: float  # spec minus predicted value
    probability: float  # that a shop of this process holds the spec at the capability target


class Contribution(msgspec.Struct, frozen=True):
    """What one property of the part adds to the predicted value, in mm."""

    feature: str
    effect_mm: float


class Prediction(msgspec.Struct, frozen=True):
    """The answer for one characteristic of one part."""

    id: str
    characteristic: str
    value_mm: float
    interval_mm: tuple[float, float]
    baseline: Baseline
    method: str  # model | rule
    in_domain: bool
    warnings: list[str]
    verdict: Verdict | UnsetType = UNSET
    contributions: list[Contribution] | UnsetType = UNSET


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a request: where, and what would be right."""

    loc: tuple[str | int, ...]
    msg: str
