"""Measures a model on data it has not seen: error, coverage of its intervals, published values.

Errors are mean |ln(actual / predicted)|, printed as a factor: 1.3 means that a typical answer is
off by 30 % one way or the other.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from services.tolerance.bundle import Calibration
from services.tolerance.cases import Case, CaseKey, Category, measure
from services.tolerance.generator import Sample
from services.tolerance.intervals import interval_factors
from services.tolerance.parts import Dimensions
from services.tolerance.rules import apply_rule

FloatArray = NDArray[np.float64]
REPORTED_LEVELS = (0.5, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class Errors:
    """Mean |ln(actual / predicted)| of the model and of what it has to beat."""

    rows: int
    model: float
    baseline: float  # the standards value alone
    prior: float | None = None  # the demo model, where there is another one

    @property
    def gain_over_baseline(self) -> float:
        """Return the share of the baseline's error that the model removes."""
        return 1.0 - self.model / self.baseline


@dataclass(frozen=True)
class CategoryReport:
    """Quality of one process and characteristic on held-out rows."""

    process: str
    characteristic: str
    origin: str  # synthetic | measured
    errors: Errors
    coverage: dict[float, float]  # confidence level -> share of rows inside
    interval_factors: tuple[float, float]  # at 0.9


@dataclass(frozen=True)
class PublishedResult:
    """A published value beside the prediction for the same part."""

    label: str
    kind: str  # measured | practice
    source: str
    published_mm: float
    capability_mm: float | None  # mean + 3 x 1.33 x std where a spread is published
    predicted_mm: float
    interval_mm: tuple[float, float]

    @property
    def factor(self) -> float:
        """Return predicted over published."""
        return self.predicted_mm / self.published_mm

    @property
    def is_inside(self) -> bool:
        """Return whether the published value lies in the interval."""
        return self.interval_mm[0] <= self.published_mm <= self.interval_mm[1]


def log_ratios(samples: Sequence[Sample], log_values: FloatArray) -> FloatArray:
    """Return ln(actual / predicted), (n_samples,)."""
    actual = np.log([sample.value_mm for sample in samples])
    ratios: FloatArray = actual - np.asarray(log_values, dtype=np.float64)
    return ratios


def baseline_log_values(samples: Sequence[Sample]) -> FloatArray:
    """Return ln of the standards value of each sample."""
    return np.array([log(apply_rule(s.case, s.geometry).baseline_mm) for s in samples])


def rule_log_values(samples: Sequence[Sample]) -> FloatArray:
    """Return ln of the rule's value, with material and shape, of each sample."""
    return np.array([log(apply_rule(s.case, s.geometry).value_mm) for s in samples])


def measure_errors(
    samples: Sequence[Sample],
    log_values: FloatArray,
    prior_log_values: FloatArray | None = None,
) -> Errors:
    """Compare a model with the baseline, and with the demo model if its values are given."""
    prior = None
    if prior_log_values is not None:
        prior = float(np.abs(log_ratios(samples, prior_log_values)).mean())
    baseline = baseline_log_values(samples)
    return Errors(
        rows=len(samples),
        model=float(np.abs(log_ratios(samples, log_values)).mean()),
        baseline=float(np.abs(log_ratios(samples, baseline)).mean()),
        prior=prior,
    )


def report_categories(
    samples: Sequence[Sample],
    log_values: FloatArray,
    calibration: Mapping[Category, Calibration],
) -> list[CategoryReport]:
    """Report error and coverage of every process and characteristic that has samples."""
    reports = []
    for category, chosen in rows_by_category(samples).items():
        own = [samples[index] for index in chosen]
        ratios = log_ratios(own, log_values[chosen])
        scores = calibration[category]
        factors = interval_factors(scores.model, 0.9)
        reports.append(
            CategoryReport(
                process=category[0],
                characteristic=category[1],
                origin=scores.origin,
                errors=measure_errors(own, log_values[chosen]),
                coverage={
                    level: coverage(scores.model, ratios, level) for level in REPORTED_LEVELS
                },
                interval_factors=(factors.low, factors.high),
            )
        )
    return reports


def rows_by_category(samples: Sequence[Sample]) -> dict[Category, list[int]]:
    """Index the samples of every process and characteristic, in order of appearance."""
    rows: dict[Category, list[int]] = {}
    for index, sample in enumerate(samples):
        rows.setdefault(sample.case.category, []).append(index)
    return rows


def coverage(scores: Sequence[float], ratios: FloatArray, confidence_level: float) -> float:
    """Return the share of ln(actual / predicted) inside the interval of a confidence level."""
    factors = interval_factors(scores, confidence_level)
    inside = (ratios >= log(factors.low)) & (ratios <= log(factors.high))
    return float(inside.mean())


@dataclass(frozen=True)
class PublishedValue:
    """A measured or recommended value from a publication, and the part it was found on."""

    case: Case
    sample: Sample  # value_mm is the published one
    std_mm: float | None
    kind: str
    source: str


def read_published(lines: Iterable[str], cases: Mapping[CaseKey, Case]) -> list[PublishedValue]:
    """Read ``data/published.csv``, which ships with the service and names only catalog entries."""
    values = []
    for row in csv.DictReader(lines):
        key = (row["material"], row["process"], row["feature"], row["characteristic"])
        names = Dimensions.__struct_fields__
        sizes = {name: float(row[f"{name}_mm"]) for name in names if row[f"{name}_mm"]}
        geometry = measure(row["feature"], row["characteristic"], Dimensions(**sizes))
        assert geometry is not None  # a file of ours; a test reads it
        values.append(
            PublishedValue(
                case=cases[key],
                sample=Sample(cases[key], geometry, float(row["value_mm"])),
                std_mm=float(row["std_mm"]) if row["std_mm"] else None,
                kind=row["kind"],
                source=row["source"],
            )
        )
    return values


def compare_published(
    published: Sequence[PublishedValue],
    log_values: FloatArray,
    calibration: Mapping[Category, Calibration],
    reference_cpk: float,
) -> list[PublishedResult]:
    """Set predictions at the reference capability beside the published values."""
    results = []
    for value, log_value in zip(published, log_values, strict=True):
        factors = interval_factors(calibration[value.case.category].model, 0.9)
        predicted_mm = exp(float(log_value))
        case = value.case
        capability_mm = None
        if value.std_mm is not None:
            capability_mm = value.sample.value_mm + 3.0 * reference_cpk * value.std_mm
        results.append(
            PublishedResult(
                label=f"{case.characteristic}, {case.process}, {case.material}, "
                f"{value.sample.geometry.size_mm:g} mm",
                kind=value.kind,
                source=value.source,
                published_mm=value.sample.value_mm,
                capability_mm=capability_mm,
                predicted_mm=predicted_mm,
                interval_mm=(predicted_mm * factors.low, predicted_mm * factors.high),
            )
        )
    return results
