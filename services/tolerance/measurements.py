"""Reads a user's inspection data: one CSV row per measured feature, or per batch of one feature.

Columns: ``material, process, feature, characteristic``, the dimensions that the feature needs
(``length_mm, width_mm, thickness_mm, diameter_mm, depth_mm, location_x_mm, location_y_mm``), and
the result: either ``value_mm``, the zone that the process held at Cpk 1.33, or ``mean_mm`` and
``std_mm`` of a batch, from which it follows as mean + 3 x 1.33 x std (the one-sided definition of
Cpk in ISO 22514-2, the zone being the upper limit). Other columns are refused by name.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

import numpy as np

from services.tolerance.cases import Case, CaseKey, Category, measure
from services.tolerance.catalog import Catalog
from services.tolerance.check import check_part
from services.tolerance.generator import Sample
from services.tolerance.parts import MAX_SIZE_MM, Dimensions, Part

MAX_ROWS = 1_000_000
MAX_REPORTED_ROWS = 20
MIN_MEASURED_ROWS = 50  # of a process and characteristic, to be calibrated and tested on them
NAME_COLUMNS = ("material", "process", "feature", "characteristic")
DIMENSION_COLUMNS = tuple(f"{name}_mm" for name in Dimensions.__struct_fields__)
RESULT_COLUMNS = ("value_mm", "mean_mm", "std_mm")


@dataclass(frozen=True)
class MeasuredSplit:
    """Inspection data, split within each process and characteristic; small ones only train."""

    train: list[Sample] = field(default_factory=list)
    calibrate: list[Sample] = field(default_factory=list)
    test: list[Sample] = field(default_factory=list)


class InvalidMeasurements(ValueError):
    """The CSV cannot be used; the text names columns, or lines and fields."""


def read_measurements(
    lines: Iterable[str], catalog: Catalog, cases: Mapping[CaseKey, Case]
) -> list[Sample]:
    """Parse and check inspection data.

    Args:
        lines: text lines of the CSV, header first.
        catalog: the names that are allowed.
        cases: every answerable combination.

    Returns:
        One sample per data row, in order.

    Raises:
        InvalidMeasurements: wrong columns, or rows that no model should learn from.
    """
    reader = csv.DictReader(lines)
    _check_columns(reader.fieldnames or ())
    samples: list[Sample] = []
    faults: list[str] = []
    for row in reader:
        try:
            samples.append(_read_row(row, catalog, cases))
        except InvalidMeasurements as error:
            faults.append(f"line {reader.line_num}: {error}")
        if len(samples) > MAX_ROWS:
            raise InvalidMeasurements(f"more than {MAX_ROWS} rows")
        if len(faults) >= MAX_REPORTED_ROWS:
            break
    if faults:
        raise InvalidMeasurements("\n".join(faults))
    if not samples:
        raise InvalidMeasurements("no data rows")
    return samples


def split_measured(measured: Sequence[Sample], seed: int) -> MeasuredSplit:
    """Split each process and characteristic 60/20/20 into training, calibration and test rows.

    Raises:
        InvalidMeasurements: there are rows, but nowhere ``MIN_MEASURED_ROWS`` of them.
    """
    split = MeasuredSplit()
    by_category: dict[Category, list[Sample]] = {}
    for sample in measured:
        by_category.setdefault(sample.case.category, []).append(sample)
    if by_category and max(map(len, by_category.values())) < MIN_MEASURED_ROWS:
        raise InvalidMeasurements(
            f"no characteristic of a process has {MIN_MEASURED_ROWS} rows, the fewest that a model "
            "can be judged by"
        )
    for own in by_category.values():
        if len(own) < MIN_MEASURED_ROWS:
            split.train.extend(own)
            continue
        order = np.random.default_rng(seed).permutation(len(own))
        fifth = len(own) // 5
        split.test.extend(own[index] for index in order[:fifth])
        split.calibrate.extend(own[index] for index in order[fifth : 2 * fifth])
        split.train.extend(own[index] for index in order[2 * fifth :])
    return split


def _check_columns(found: Iterable[str]) -> None:
    names = list(found)
    allowed = (*NAME_COLUMNS, *DIMENSION_COLUMNS, *RESULT_COLUMNS)
    missing = [name for name in NAME_COLUMNS if name not in names]
    if "value_mm" not in names and not {"mean_mm", "std_mm"} <= set(names):
        missing.append("value_mm (or mean_mm and std_mm)")
    unknown = [name for name in names if name not in allowed]
    if missing:
        raise InvalidMeasurements(f"missing columns: {', '.join(missing)}")
    if unknown:
        raise InvalidMeasurements(
            f"unknown columns: {', '.join(unknown)}; allowed: {', '.join(allowed)}"
        )
    if len(set(names)) != len(names):
        raise InvalidMeasurements("a column appears twice")


def _read_row(
    row: Mapping[str, str | None], catalog: Catalog, cases: Mapping[CaseKey, Case]
) -> Sample:
    if None in row:
        raise InvalidMeasurements("more cells than columns")
    names = {name: (row[name] or "").strip() for name in NAME_COLUMNS}
    sizes = {
        name.removesuffix("_mm"): _number(row, name)
        for name in DIMENSION_COLUMNS
        if (row.get(name) or "").strip()
    }
    part = Part(
        material=names["material"],
        process=names["process"],
        feature=names["feature"],
        dimensions_mm=Dimensions(**sizes),
        characteristics=[names["characteristic"]],
    )
    problems = check_part(catalog, part, ())
    if problems:
        place = ".".join(str(step) for step in problems[0].loc)
        raise InvalidMeasurements(f"{place}: {problems[0].msg}")
    case = cases[(part.material, part.process, part.feature, names["characteristic"])]
    geometry = measure(case.feature, case.characteristic, part.dimensions_mm)
    assert geometry is not None  # check_part has seen to it
    return Sample(case, geometry, _result_mm(row, catalog.reference_cpk))


def _result_mm(row: Mapping[str, str | None], reference_cpk: float) -> float:
    if (row.get("value_mm") or "").strip():
        value_mm = _number(row, "value_mm")
    else:
        mean_mm, std_mm = _number(row, "mean_mm"), _number(row, "std_mm")
        if std_mm < 0.0:
            raise InvalidMeasurements(f"std_mm {std_mm:g}; expected at least 0")
        value_mm = mean_mm + 3.0 * reference_cpk * std_mm
    if not 0.0 < value_mm <= MAX_SIZE_MM:
        raise InvalidMeasurements(
            f"value {value_mm:g} mm; expected above 0, at most {MAX_SIZE_MM:g}"
        )
    return value_mm


def _number(row: Mapping[str, str | None], name: str) -> float:
    text = (row.get(name) or "").strip()
    try:
        value = float(text)
    except ValueError as error:
        raise InvalidMeasurements(f"{name} {text[:24]!r} is not a number") from error
    if not isfinite(value):
        raise InvalidMeasurements(f"{name} {text[:24]!r} is not finite")
    return value
