"""From a request to model rows, and from the model's logarithms to answers.

The two halves enclose the engine: ``prepare`` checks the request and resolves its rows, ``answer``
turns ln(mm) into zones with interval, baseline, verdict and contributions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from math import exp, floor, log, log10
from operator import attrgetter
from struct import Struct

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from services.tolerance.bundle import Bundle
from services.tolerance.cases import (
    FEATURE_DIMENSIONS,
    SIZE_COLUMNS,
    Case,
    CaseKey,
    Geometry,
    build_cases,
    measure,
)
from services.tolerance.catalog import Catalog
from services.tolerance.check import check_request, is_plainly_right
from services.tolerance.explain import effects_in_mm, explanation_groups, group_log_effects
from services.tolerance.intervals import IntervalFactors
from services.tolerance.parts import (
    Baseline,
    Contribution,
    Dimensions,
    Part,
    Prediction,
    PredictRequest,
    Problem,
    Verdict,
)
from services.tolerance.rules import RuleFactors, apply_rule, describe_baseline
from services.tolerance.verdict import judge
from shared.standards.iso286 import Iso286Tables

SIGNIFICANT_DIGITS = 4
UNUSED_DIMENSIONS = {
    feature: tuple(name for name in Dimensions.__struct_fields__ if name not in used)
    for feature, used in FEATURE_DIMENSIONS.items()
}
_unused_dimensions = {
    feature: attrgetter(*names) for feature, names in UNUSED_DIMENSIONS.items()
}  # all at once: every answer asks
FloatArray = NDArray[np.float32]
_pack_sizes = Struct(f"={len(SIZE_COLUMNS)}f").pack


@dataclass(frozen=True)
class Knowledge:
    """What the tables say, prepared for look-up; built once per process."""

    catalog: Catalog
    tables: Iso286Tables
    cases: dict[CaseKey, Case]


class Row(msgspec.Struct, frozen=True):
    """One characteristic of one part, ready for the model."""

    part: Part
    part_id: str
    case: Case
    geometry: Geometry

    @property
    def rule(self) -> RuleFactors:
        """What the rule of thumb makes of it."""
        return apply_rule(self.case, self.geometry)


class InvalidRequest(ValueError):
    """The request breaks a rule of the catalog; `problems` says which fields and how."""

    def __init__(self, problems: list[Problem]) -> None:
        """Keep the problems, at least one."""
        super().__init__(problems[0].msg)
        self.problems = problems


def build_knowledge(catalog: Catalog, tables: Iso286Tables) -> Knowledge:
    """Prepare the tables for look-up."""
    return Knowledge(catalog, tables, build_cases(catalog, tables))


def prepare(knowledge: Knowledge, request: PredictRequest) -> list[Row]:
    """Resolve a request into rows, in the order of parts and their characteristics.

    Raises:
        InvalidRequest: with every field that is wrong.
    """
    if is_plainly_right(request):
        rows = _rows(knowledge, request)
        if rows is not None:
            return rows
    problems = check_request(knowledge.catalog, request)
    if problems:
        raise InvalidRequest(problems)
    rows = _rows(knowledge, request)
    assert rows is not None  # check_request has seen to it
    return rows


def _rows(knowledge: Knowledge, request: PredictRequest) -> list[Row] | None:
    """Look the rows up; None when the catalog does not allow one or it lacks a dimension."""
    rows = []
    for index, part in enumerate(request.parts):
        part_id = str(index) if part.id is None else part.id
        for characteristic in part.characteristics:
            case = knowledge.cases.get((part.material, part.process, part.feature, characteristic))
            if case is None:
                return None
            geometry = measure(part.feature, characteristic, part.dimensions_mm)
            if geometry is None:
                return None
            rows.append(Row(part, part_id, case, geometry))
    return rows


def packed_row(case: Case, geometry: Geometry) -> bytes:
    """A row of the model's input: n_columns native float32 in the order of ``column_names``."""
    sizes = _pack_sizes(geometry.size_mm, geometry.slenderness, geometry.thinness)
    return sizes + case.packed_columns


def model_input(cases: Sequence[Case], geometries: Sequence[Geometry]) -> FloatArray:
    """Build the model's input as one matrix, (n_rows, n_columns) float32."""
    packed = list(map(packed_row, cases, geometries))
    return np.frombuffer(b"".join(packed), dtype=np.float32).reshape(len(packed), -1)


def answer(
    bundle: Bundle,
    request: PredictRequest,
    rows: Sequence[Row],
    *,
    scale: float,
    log_values: Sequence[float],
    contributions: Sequence[Sequence[float]] | None = None,
) -> list[Prediction]:
    """Turn the model's output into answers.

    Args:
        bundle: domain and calibration of the model.
        request: the request that the rows came from.
        rows: (n_rows,) from ``prepare``.
        scale: asked capability over the one that the model answers for.
        log_values: (n_rows,) ln(zone in mm) at the model's capability.
        contributions: (n_rows, n_columns + 1) TreeSHAP of the same output, base value last.

    Returns:
        One prediction per row, in the same order.
    """
    predictions = []
    for index, (row, log_value) in enumerate(zip(rows, log_values, strict=True)):
        category = row.case.category
        departures = bundle.domain[row.case.process].departures(row.case, row.geometry)
        is_inside = not departures
        calibration = bundle.calibration[category]
        scores = calibration.model if is_inside else calibration.rule
        factor = bundle.intervals.factors((category, is_inside), scores, request.confidence_level)
        value_mm = (exp(log_value) if is_inside else row.rule.value_mm) * scale
        zone = _Zone(value_mm, factor, scores, departures)
        explained: list[Contribution] | UnsetType = UNSET
        if contributions is not None:
            explained = _explain(bundle, row, zone, contributions[index], scale)
        predictions.append(_prediction(row, zone, scale, explained))
    return predictions


class _Zone(msgspec.Struct, frozen=True):
    """A predicted zone before it is rounded and put into words."""

    value_mm: float
    factor: IntervalFactors
    scores: Sequence[float]
    departures: list[str]

    @property
    def digits(self) -> int:
        """Decimals of a millimetre that keep ``SIGNIFICANT_DIGITS``."""
        return SIGNIFICANT_DIGITS - 1 - floor(log10(self.value_mm))


def _prediction(
    row: Row, zone: _Zone, scale: float, contributions: list[Contribution] | UnsetType
) -> Prediction:
    case, value_mm, is_inside = row.case, zone.value_mm, not zone.departures
    shift = 10.0**zone.digits  # to whole numbers; ``round`` with digits costs three times as much
    interval_mm = (
        round(value_mm * zone.factor.low * shift) / shift,
        round(value_mm * zone.factor.high * shift) / shift,
    )
    spec = row.part.spec_mm
    spec_mm = spec.get(case.characteristic) if isinstance(spec, dict) else spec
    verdict: Verdict | UnsetType = UNSET
    if spec_mm is not None:
        verdict = judge(
            spec_mm=spec_mm, value_mm=value_mm, interval_mm=interval_mm, scores=zone.scores
        )
    return Prediction(
        id=row.part_id,
        characteristic=case.characteristic,
        value_mm=round(value_mm * shift) / shift,
        interval_mm=interval_mm,
        baseline=Baseline(
            value_mm=round(case.baseline_mm(row.geometry.size_mm) * scale * shift) / shift,
            basis=describe_baseline(case, row.geometry.size_mm),
            standard=case.standard,
            grade=case.grade_name,
        ),
        method="model" if is_inside else "rule",
        in_domain=is_inside,
        warnings=_warnings(row, zone),
        verdict=verdict,
        contributions=contributions,
    )


def _explain(
    bundle: Bundle, row: Row, zone: _Zone, contributions: Sequence[float], scale: float
) -> list[Contribution]:
    """Explain the model's answer by TreeSHAP and the rule's by its own factors."""
    if zone.departures:
        rule = row.rule
        typical_mm = rule.baseline_mm
        log_effects = {
            "material": log(rule.material),
            "slenderness": log(rule.slenderness),
            "thinness": log(rule.thinness),
        }
    else:
        *effects, base = contributions
        typical_mm = exp(base)
        log_effects = group_log_effects(explanation_groups(bundle.columns), effects)
    return effects_in_mm(typical_mm=typical_mm * scale, log_effects=log_effects, digits=zone.digits)


def _warnings(row: Row, zone: _Zone) -> list[str]:
    warnings = [f"outside the model's domain: {reason}" for reason in zone.departures]
    if warnings:
        warnings.append("answered by rule; the interval is not calibrated for this part")
    if not zone.factor.is_reached:
        warnings.append("too few calibration parts for this confidence level")
    feature, characteristic = row.case.feature, row.case.characteristic
    given = _unused_dimensions[feature](row.part.dimensions_mm)
    if any(given):  # none is 0
        names = compress(UNUSED_DIMENSIONS[feature], given)
        warnings += [f"{name} is not a dimension of a {feature}: not used" for name in names]
    if characteristic == "flatness" and not row.geometry.thinness:
        warnings.append("thickness not given: the part is taken as stiff")
    elif characteristic == "cylindricity" and not row.geometry.slenderness:
        name = "depth" if feature == "hole" else "length"
        warnings.append(f"{name} not given: the part is taken as not slender")
    return warnings
