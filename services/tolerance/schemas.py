"""The HTTP shapes, as OpenAPI documents them: strict types, no unknown fields.

Names and ranges that the catalog decides are checked in ``check``, for both routes alike.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from services.tolerance.parts import (
    CONFIDENCE_LEVEL_RANGE,
    CPK_TARGET_RANGE,
    DEFAULT_CONFIDENCE_LEVEL,
    DEFAULT_CPK_TARGET,
    MAX_ID_CHARACTERS,
    MAX_PARTS,
    MAX_SIZE_MM,
    MIN_SIZE_MM,
)

_STRICT = ConfigDict(extra="forbid", strict=True)

EXAMPLE: JsonValue = {
    "parts": [
        {
            "material": "al_6061",
            "process": "milling",
            "feature": "plane",
            "dimensions_mm": {"length": 100, "width": 50, "thickness": 12},
            "characteristics": ["flatness"],
        }
    ]
}
"""A first request, as the documentation shows it."""


def _documented_range(low: float, high: float) -> dict[str, JsonValue]:
    # For OpenAPI only: ``check`` holds the range, with the same words on both routes.
    return {"minimum": low, "maximum": high}


Millimetres = Annotated[
    float,
    Field(description="In mm.", json_schema_extra=_documented_range(MIN_SIZE_MM, MAX_SIZE_MM)),
]


class DimensionsBody(BaseModel):
    """Nominal sizes of the feature."""

    model_config = _STRICT

    length: Millimetres | None = None
    width: Millimetres | None = None
    thickness: Millimetres | None = None
    diameter: Millimetres | None = None
    depth: Millimetres | None = None
    location_x: Millimetres | None = None
    location_y: Millimetres | None = None


class PartBody(BaseModel):
    """One feature of a part and what is asked about it."""

    model_config = _STRICT

    id: str | None = Field(
        None, description=f"Comes back; at most {MAX_ID_CHARACTERS} characters; default the index."
    )
    material: str = Field(description="Identifier of the catalog, such as al_6061.")
    process: str = Field(description="Identifier of the catalog, such as milling.")
    feature: str = Field(description="plane, cylinder, hole or pattern.")
    dimensions_mm: DimensionsBody
    characteristics: list[str] = Field(description="flatness, cylindricity or position.")
    spec_mm: float | dict[str, float] | None = Field(
        None, description="Zone on the drawing: one for all characteristics, or one for each."
    )


class PredictBody(BaseModel):
    """Parts to predict for."""

    model_config = ConfigDict(**_STRICT, json_schema_extra={"examples": [EXAMPLE]})

    parts: list[PartBody] = Field(description=f"1 to {MAX_PARTS} parts.")
    cpk_target: float = Field(
        DEFAULT_CPK_TARGET,
        description="Capability to hold the zone with.",
        json_schema_extra=_documented_range(*CPK_TARGET_RANGE),
    )
    confidence_level: float = Field(
        DEFAULT_CONFIDENCE_LEVEL,
        description="Of the interval.",
        json_schema_extra=_documented_range(*CONFIDENCE_LEVEL_RANGE),
    )
    explain: bool = Field(False, description="Add what each property contributes, in mm.")


class BaselineBody(BaseModel):
    """The standard's own figure."""

    value_mm: float
    basis: str
    standard: str
    grade: str


class VerdictBody(BaseModel):
    """The specification judged."""

    spec_mm: float
    status: Literal["pass", "marginal", "fail"]
    margin_mm: float
    probability: float


class ContributionBody(BaseModel):
    """What one property adds."""

    feature: str
    effect_mm: float


class PredictionBody(BaseModel):
    """The answer for one characteristic of one part."""

    id: str
    characteristic: str
    value_mm: float
    interval_mm: tuple[float, float]
    baseline: BaselineBody
    method: Literal["model", "rule"]
    in_domain: bool
    verdict: VerdictBody | None = None
    contributions: list[ContributionBody] | None = None
    warnings: list[str]


class PredictResponse(BaseModel):
    """Predictions in the order of parts and their characteristics."""

    model: str
    results: list[PredictionBody]
    timing_ms: dict[str, float]


class SizeQuery(BaseModel):
    """A nominal size."""

    model_config = ConfigDict(extra="forbid")

    size_mm: float = Field(gt=0, le=MAX_SIZE_MM, allow_inf_nan=False)


class Iso286Query(SizeQuery):
    """A size and a tolerance class."""

    fit: str = Field(max_length=16, description="Such as H7 or g6.")


class Iso286Response(BaseModel):
    """Limits of a fit."""

    size_mm: float
    fit: str
    kind: Literal["hole", "shaft"]
    grade: str
    tolerance_mm: float
    upper_deviation_mm: float
    lower_deviation_mm: float
    upper_limit_mm: float
    lower_limit_mm: float
    standard: str
    source: str
    verified: bool = Field(description="False: quoted, not yet confirmed against the standard.")


class Iso2768Query(SizeQuery):
    """A size and a class of general tolerances."""

    tolerance_class: str = Field(
        alias="class", max_length=16, description="f, m, c, v, H, K, L, or both as in mK."
    )


class GeneralToleranceBody(BaseModel):
    """One general tolerance."""

    name: str
    tolerance_class: str
    plus_minus_mm: float | None = None
    plus_minus_deg: float | None = None
    zone_mm: float | None = None
    over_mm: float
    up_to_mm: float
    standard: str
    source: str
    verified: bool = Field(description="False: quoted, not yet confirmed against the standard.")


class Iso2768Response(BaseModel):
    """General tolerances of a size."""

    model_config = ConfigDict(serialize_by_alias=True, populate_by_name=True)

    size_mm: float
    tolerance_class: str = Field(alias="class")
    tolerances: list[GeneralToleranceBody]
    not_defined: list[str] = Field(description="Tables of this class without a value here.")
    without_general_tolerance: list[str]
    notes: list[str]


class MaterialBody(BaseModel):
    """A material."""

    name: str
    family: str
    factor: float = Field(description="On the zone; 1 is plain carbon steel.")
    source: str
    verified: bool


class ProcessBody(BaseModel):
    """A process."""

    name: str
    it_grades: tuple[int, int]
    it_typical: int
    size_mm: tuple[float, float] = Field(description="Sizes that the model is trained for.")
    characteristics: dict[str, list[str]] = Field(description="By feature.")
    families: list[str] = Field(description="Materials that it usually works.")
    source: str
    verified: bool


class ZoneBody(BaseModel):
    """How the baseline of a characteristic is formed: ratio x IT of the typical grade."""

    size: str = Field(description="The dimension whose IT is taken.")
    ratio: float
    grade_shift: int
    source: str
    verified: bool


class CatalogResponse(BaseModel):
    """Everything that a request may name."""

    version: str
    materials: dict[str, MaterialBody]
    processes: dict[str, ProcessBody]
    features: dict[str, list[str]] = Field(description="Characteristics by feature.")
    zones: dict[str, ZoneBody] = Field(description="Baseline by characteristic.")
    fits: dict[str, list[str]] = Field(description="Letters of ISO 286 for holes and shafts.")
    limits: dict[str, float]
    model: str | None
