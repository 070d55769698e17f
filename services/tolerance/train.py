"""Trains a tolerance model: ``python -m services.tolerance.train [measurements.csv]``.

Without a file it makes the demo model, a prior from standards and assumptions. With inspection
data it learns from both: where there are measured rows, these outweigh the synthetic ones, and
the intervals of what was measured often enough are calibrated on measurements alone. A model that
is no better on held-out measurements than the standards baseline or the demo model is refused and
not written.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from services.tolerance.bundle import MODEL_FILE, BrokenBundle, Calibration, read_bundle
from services.tolerance.card import ModelReport, write_bundle
from services.tolerance.cases import (
    MONOTONE_COLUMNS,
    Case,
    CaseKey,
    Category,
    build_cases,
    column_names,
)
from services.tolerance.catalog import Catalog
from services.tolerance.data_files import (
    DEMO_MODEL_FOLDER,
    PUBLISHED_FILE,
    load_catalog,
)
from services.tolerance.evaluation import (
    Errors,
    compare_published,
    log_ratios,
    measure_errors,
    read_published,
    report_categories,
    rows_by_category,
    rule_log_values,
)
from services.tolerance.generator import Sample, generate
from services.tolerance.intervals import STORED_QUANTILES, compress_scores
from services.tolerance.measurements import (
    InvalidMeasurements,
    read_measurements,
    split_measured,
)
from services.tolerance.predict import model_input
from shared.standards.iso286 import Iso286Tables
from shared.standards.tables import load_iso286

FloatArray = NDArray[np.float64]

EXIT_INVALID_DATA = 2
EXIT_WORSE_MODEL = 3

# Squared error of the logarithm keeps monotone constraints, which XGBoost's quantile and absolute
# objectives break.
PARAMETERS: dict[str, Any] = {
    "objective": "reg:squarederror",
    "tree_method": "hist",
    "max_depth": 5,
    "eta": 0.1,
    "min_child_weight": 20,
    "subsample": 0.8,
    "lambda": 1.0,
}
GOLDEN_ROWS = 8
MEASURED_DOMINANCE = 10.0  # weight of a category's measured rows over its synthetic ones


@dataclass(frozen=True)
class TrainingPlan:
    """How much data and how many trees; the seeds keep the four draws apart."""

    rounds: int = 200
    train_rows: int = 3000  # per process and characteristic, as the next two
    calibration_rows: int = 5 * (STORED_QUANTILES + 1) - 1
    test_rows: int = 2000
    seed: int = 20260101
    threads: int = 2


@dataclass(frozen=True)
class Setting:
    """The tables that training rests on."""

    catalog: Catalog
    tables: Iso286Tables
    cases: dict[CaseKey, Case]

    def draw(self, rows_per_category: int, seed: int) -> list[Sample]:
        """Draw synthetic parts."""
        return list(
            generate(
                self.catalog,
                self.tables,
                self.cases,
                rows_per_category=rows_per_category,
                seed=seed,
            )
        )


class RefusedModel(ValueError):
    """The trained model does not earn its place; the text gives the errors."""


def load_setting() -> Setting:
    """Read the tables that ship with the service."""
    catalog, tables = load_catalog(), load_iso286()
    return Setting(catalog, tables, build_cases(catalog, tables))


def train_model(
    folder: Path,
    *,
    name: str,
    plan: TrainingPlan,
    measured: Sequence[Sample] = (),
    prior_folder: Path | None = None,
) -> ModelReport:
    """Train, test and write a model.

    Args:
        folder: is created; files of the same name in it are replaced.
        name: of the model, as answers state it.
        plan: amounts and seeds.
        measured: inspection data; empty for the synthetic prior.
        prior_folder: the model that one trained on measurements has to beat, if there is one.

    Returns:
        The report that the card holds.

    Raises:
        InvalidMeasurements: too few rows to judge a model by.
        RefusedModel: on held-out measurements no better than the baseline or the prior.
    """
    setting = load_setting()
    split = split_measured(measured, plan.seed)
    synthetic = setting.draw(plan.train_rows, plan.seed)
    booster = _fit(setting.catalog, synthetic, split.train, plan)
    errors = _judge(booster, split.test, prior_folder) if measured else None
    calibration = _calibrate(setting, booster, split.calibrate, plan)
    measured_categories = {sample.case.category for sample in split.test}
    fresh = [
        sample
        for sample in setting.draw(plan.test_rows, plan.seed + 2)
        if sample.case.category not in measured_categories
    ] + split.test
    published = read_published(PUBLISHED_FILE.read_text("utf-8").splitlines(), setting.cases)
    published_values = _predict(booster, [value.sample for value in published])
    report = ModelReport(
        name=name,
        catalog_version=setting.catalog.version,
        columns=column_names(setting.catalog),
        training={
            "synthetic_rows": len(synthetic),
            "measured_rows": len(split.train),
            "rounds": plan.rounds,
            "seed": plan.seed,
            "parameters": PARAMETERS,
            "xgboost": xgboost.__version__,
        },
        categories=report_categories(fresh, _predict(booster, fresh), calibration),
        published=compare_published(
            published, published_values, calibration, setting.catalog.reference_cpk
        ),
        golden=_golden(booster, fresh[:: len(fresh) // GOLDEN_ROWS]),
        measured=errors,
    )
    folder.mkdir(parents=True, exist_ok=True)
    booster.save_model(folder / MODEL_FILE)
    write_bundle(folder, report=report, samples=[*synthetic, *split.train], calibration=calibration)
    return report


def _fit(
    catalog: Catalog, synthetic: list[Sample], measured: list[Sample], plan: TrainingPlan
) -> xgboost.Booster:
    samples = [*synthetic, *measured]
    names = column_names(catalog)
    counts = {category: len(rows) for category, rows in rows_by_category(measured).items()}
    measured_weights = [
        MEASURED_DOMINANCE * plan.train_rows / counts[sample.case.category] for sample in measured
    ]
    data = xgboost.DMatrix(
        _rows(samples),
        label=np.log([sample.value_mm for sample in samples]),
        weight=np.array([1.0] * len(synthetic) + measured_weights),
        feature_names=[name.replace("=", ":") for name in names],
        nthread=plan.threads,
    )
    parameters = {
        **PARAMETERS,
        "seed": plan.seed,
        "nthread": plan.threads,
        "monotone_constraints": tuple(int(name in MONOTONE_COLUMNS) for name in names),
    }
    return xgboost.train(parameters, data, num_boost_round=plan.rounds)


def _judge(booster: xgboost.Booster, test: list[Sample], prior_folder: Path | None) -> Errors:
    prior_values = None
    if prior_folder is not None:
        prior = xgboost.Booster(model_file=read_bundle(prior_folder).model_path)
        prior_values = _predict(prior, test)
    errors = measure_errors(test, _predict(booster, test), prior_values)
    bar = min(errors.baseline, errors.baseline if errors.prior is None else errors.prior)
    if errors.model >= bar:
        prior_text = "" if errors.prior is None else f", demo model x{exp(errors.prior):.2f}"
        raise RefusedModel(
            f"refused: on {errors.rows} held-out rows the model errs by x{exp(errors.model):.2f}, "
            f"the standards baseline by x{exp(errors.baseline):.2f}{prior_text}"
        )
    return errors


def _calibrate(
    setting: Setting, booster: xgboost.Booster, measured: list[Sample], plan: TrainingPlan
) -> dict[Category, Calibration]:
    """Score every category on rows apart from training: measured ones where there are any."""
    calibration = {}
    synthetic = setting.draw(plan.calibration_rows, plan.seed + 1)
    for samples, origin in ((synthetic, "synthetic"), (measured, "measured")):
        for category, rows in rows_by_category(samples).items():
            chosen = [samples[index] for index in rows]
            model = log_ratios(chosen, _predict(booster, chosen))
            rule = log_ratios(chosen, rule_log_values(chosen))
            calibration[category] = Calibration(
                model=tuple(compress_scores(model.tolist())),
                rule=tuple(compress_scores(rule.tolist())),
                origin=origin,
            )
    return calibration


def _rows(samples: Sequence[Sample]) -> NDArray[np.float32]:
    return model_input([s.case for s in samples], [s.geometry for s in samples])


def _golden(booster: xgboost.Booster, samples: Sequence[Sample]) -> dict[str, Any]:
    return {
        "rows": _rows(samples).tolist(),
        "log_values": _predict(booster, samples).tolist(),
    }


def _predict(booster: xgboost.Booster, samples: Sequence[Sample]) -> FloatArray:
    values: FloatArray = booster.inplace_predict(_rows(samples), predict_type="margin")
    return values.astype(np.float64)


def main(arguments: Sequence[str] | None = None, plan: TrainingPlan | None = None) -> int:
    """Run the command line; returns 0, 2 for unusable data, 3 for a refused model."""
    parser = argparse.ArgumentParser(prog="python -m services.tolerance.train")
    parser.add_argument("measurements", nargs="?", type=Path, help="CSV of inspection data")
    parser.add_argument("--output", type=Path, help="folder of the model")
    parser.add_argument("--name", help="name of the model, default the output folder's")
    parser.add_argument("--seed", type=int, default=TrainingPlan.seed)
    options = parser.parse_args(arguments)
    measured: list[Sample] = []
    prior_folder = None
    folder = options.output or DEMO_MODEL_FOLDER
    try:
        if options.measurements is not None:
            folder = options.output or Path("models/tolerance") / options.measurements.stem
            prior_folder = DEMO_MODEL_FOLDER
            setting = load_setting()
            with options.measurements.open(encoding="utf-8-sig", newline="") as lines:
                measured = read_measurements(lines, setting.catalog, setting.cases)
        report = train_model(
            folder,
            name=options.name or folder.name,
            plan=replace(plan or TrainingPlan(), seed=options.seed),
            measured=measured,
            prior_folder=prior_folder,
        )
    except (InvalidMeasurements, BrokenBundle, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_INVALID_DATA
    except RefusedModel as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_WORSE_MODEL
    sys.stdout.write(_summary(folder, report))
    return 0


def _summary(folder: Path, report: ModelReport) -> str:
    lines = [f"{report.name} written to {folder}"]
    errors = report.measured
    if errors is not None:
        lines.append(
            f"held-out measurements: {errors.rows} rows, model x{exp(errors.model):.2f}, baseline "
            f"x{exp(errors.baseline):.2f}, gain over the baseline {errors.gain_over_baseline:.0%}"
        )
    lines += [
        f"{each.process}, {each.characteristic}: error x{exp(each.errors.model):.2f}, "
        f"90 % interval covers {each.coverage[0.9]:.1%} of {each.errors.rows} rows"
        for each in report.categories
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
