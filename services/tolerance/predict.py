"""From a request to model rows, and from the model's logarithms to answers.

The two halves enclose the engine: `prepare` checks the request and builds the input of all its
rows, `answer` turns ln(mm) into zones with interval, baseline, verdict and contributions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, floor, log, log10

import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from services.tolerance.bundle import BrokenBundle, Bundle
from services.tolerance.cases import Case, CaseKey, Geometry, build_cases, column_names, measure
from services.tolerance.catalog import Catalog
from services.tolerance.check import check_request
from services.tolerance.explain import effects_in_mm, explanation_groups, group_log_effects
from services.tolerance.intervals import IntervalFactors, interval_factors
from services.tolerance.iso286 import Iso286Tables
from services.tolerance.parts import (
    Baseline,
    Contribution,
    Part,
    Prediction,
    PredictRequest,
    Problem,
    Verdict,
)
from services.tolerance.rules import RuleFactors, apply_rule, describe_baseline
from services.tolerance.verdict import judge

SIGNIFICANT_DIGITS = 4
FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Knowledge:
    """All that predictions rest on besides the weights; built once per process."""

    catalog: Catalog
    cases: dict[CaseKey, Case]
    bundle: Bundle
    groups: tuple[str, ...]  # property of the part behind each model column


@dataclass(frozen=True, slots=True)
class Row:
    """One characteristic of one part, ready for the model."""

    part: Part
    part_id: str
    case: Case
    geometry: Geometry
    rule: RuleFactors
    departures: list[str]  # from the model's domain; empty inside


class InvalidRequest(ValueError):
    """The request breaks a rule of the catalog; `problems` says which fields and how."""

    def __init__(self, problems: list[Problem]) -> None:
        """Keep the problems, at least one."""
        super().__init__(problems[0].msg)
        self.problems = problems


def build_knowledge(catalog: Catalog, tables: Iso286Tables, bundle: Bundle) -> Knowledge:
    """Join the catalog and a model.

    Raises:
        BrokenBundle: the model was trained for another catalog.
    """
    columns = column_names(catalog)
    if bundle.columns != columns:
        raise BrokenBundle(f"model {bundle.name} was trained for another catalog; train it again")
    return Knowledge(catalog, build_cases(catalog, tables), bundle, explanation_groups(columns))


def prepare(knowledge: Knowledge, request: PredictRequest) -> list[Row]:
    """Resolve a request into rows, in the order of parts and their characteristics.

    Raises:
        InvalidRequest: with every field that is wrong.
    """
    problems = check_request(knowledge.catalog, request)
    if problems:
        raise InvalidRequest(problems)
    rows = []
    for index, part in enumerate(request.parts):
        part_id = str(index) if part.id is None else part.id
        for characteristic in part.characteristics:
            case = knowledge.cases[(part.material, part.process, part.feature, characteristic)]
            geometry = measure(part.feature, characteristic, part.dimensions_mm)
            assert geometry is not None  # check_request has seen to it
            rule = apply_rule(knowledge.catalog, case, geometry)
            domain = knowledge.bundle.domain[part.process]
            departures = domain.departures(case, geometry)
            rows.append(Row(part, part_id, case, geometry, rule, departures))
    return rows


def model_input(cases: Sequence[Case], geometries: Sequence[Geometry]) -> FloatArray:
    """Build the model's input.

    Returns:
        (n_rows, n_columns) float32 in the order of `column_names`.
    """
    return np.array(
        [
            (geometry.size_mm, geometry.slenderness, geometry.thinness, *case.columns)
            for case, geometry in zip(cases, geometries, strict=True)
        ],
        dtype=np.float32,
    )


def answer(
    knowledge: Knowledge,
    request: PredictRequest,
    rows: Sequence[Row],
    log_values: Sequence[float],
    contributions: Sequence[Sequence[float]] | None = None,
) -> list[Prediction]:
    """Turn the model's output into answers.

    Args:
        knowledge: catalog, domain and calibration.
        request: the request that the rows came from.
        rows: (n_rows,) from `prepare`.
        log_values: (n_rows,) ln(zone in mm) at the reference capability.
        contributions: (n_rows, n_columns + 1) TreeSHAP of the same output, base value last.

    Returns:
        One prediction per row, in the same order.
    """
    scale = request.cpk_target / knowledge.catalog.reference_cpk
    factors: dict[tuple[str, bool], IntervalFactors] = {}
    predictions = []
    for index, (row, log_value) in enumerate(zip(rows, log_values, strict=True)):
        process, is_inside = row.case.process, not row.departures
        calibration = knowledge.bundle.calibration[process]
        scores = calibration.model if is_inside else calibration.rule
        factor = factors.get((process, is_inside))
        if factor is None:
            factor = interval_factors(scores, request.confidence_level)
            factors[(process, is_inside)] = factor
        value_mm = (exp(log_value) if is_inside else row.rule.value_mm) * scale
        digits = _decimals(value_mm)
        interval_mm = (
            round(value_mm * factor.low, digits),
            round(value_mm * factor.high, digits),
        )
        explained: list[Contribution] | UnsetType = UNSET
        if contributions is not None:
            explained = _explain(knowledge, row, contributions[index], scale, digits)
        predictions.append(
            Prediction(
                id=row.part_id,
                characteristic=row.case.characteristic,
                value_mm=round(value_mm, digits),
                interval_mm=interval_mm,
                baseline=Baseline(
                    value_mm=round(row.rule.baseline_mm * scale, digits),
                    basis=describe_baseline(row.case, row.geometry.size_mm),
                    standard=row.case.standard,
                    grade=f"IT{row.case.grade}",
                ),
                method="model" if is_inside else "rule",
                in_domain=is_inside,
                warnings=_warnings(row, factor),
                verdict=_verdict(row, value_mm, interval_mm, scores),
                contributions=explained,
            )
        )
    return predictions


def _verdict(
    row: Row, value_mm: float, interval_mm: tuple[float, float], scores: Sequence[float]
) -> Verdict | UnsetType:
    spec = row.part.spec_mm
    spec_mm = spec.get(row.case.characteristic) if isinstance(spec, dict) else spec
    if spec_mm is None:
        return UNSET
    return judge(spec_mm=spec_mm, value_mm=value_mm, interval_mm=interval_mm, scores=scores)


def _explain(
    knowledge: Knowledge, row: Row, contributions: Sequence[float], scale: float, digits: int
) -> list[Contribution]:
    """Explain the model's answer by TreeSHAP and the rule's by its own factors."""
    if row.departures:
        rule = row.rule
        log_effects = {
            "material": log(rule.material),
            "slenderness": log(rule.slenderness),
            "thinness": log(rule.thinness),
        }
        return effects_in_mm(
            typical_mm=rule.baseline_mm * scale, log_effects=log_effects, digits=digits
        )
    *effects, base = contributions
    return effects_in_mm(
        typical_mm=exp(base) * scale,
        log_effects=group_log_effects(knowledge.groups, effects),
        digits=digits,
    )


def _warnings(row: Row, factor: IntervalFactors) -> list[str]:
    warnings = [f"outside the model's domain: {reason}" for reason in row.departures]
    if warnings:
        warnings.append("answered by rule; the interval is not calibrated for this part")
    if not factor.is_reached:
        warnings.append(
            "too few calibration parts for this confidence level; interval may be narrow"
        )
    characteristic, dimensions = row.case.characteristic, row.part.dimensions_mm
    if characteristic == "flatness" and dimensions.thickness is None:
        warnings.append("thickness not given: the part is taken as stiff")
    elif characteristic == "cylindricity" and not row.geometry.slenderness:
        name = "depth" if row.case.feature == "hole" else "length"
        warnings.append(f"{name} not given: the part is taken as not slender")
    return warnings


def _decimals(value_mm: float) -> int:
    """Decimals that keep `SIGNIFICANT_DIGITS` of a positive length."""
    return SIGNIFICANT_DIGITS - 1 - floor(log10(value_mm))
