"""Writes a model folder: domain, calibration, card and the card in words.

The weights must already lie in the folder. ``card.json`` is written last, so that a folder is
complete once it has one.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import exp
from pathlib import Path
from typing import Any

from services.tolerance.bundle import (
    CARD_FILE,
    DIGESTED_FILES,
    DOMAIN_FILE,
    INTERVALS_FILE,
    MODEL_FILE,
    Calibration,
)
from services.tolerance.cases import Category
from services.tolerance.evaluation import (
    REPORTED_LEVELS,
    CategoryReport,
    Errors,
    PublishedResult,
)
from services.tolerance.generator import Sample

MODEL_CARD_FILE = "MODEL_CARD.md"


@dataclass(frozen=True)
class ModelReport:
    """What is known about a trained model."""

    name: str
    catalog_version: str
    columns: tuple[str, ...]
    training: dict[str, Any]  # rows, seeds, parameters, library version
    categories: list[CategoryReport]  # on fresh synthetic rows, or measured ones where they exist
    published: list[PublishedResult]
    golden: dict[str, Any]  # rows of input and their log_values, for the check at every start
    measured: Errors | None  # on held-out measurements


def write_bundle(
    folder: Path,
    *,
    report: ModelReport,
    samples: Sequence[Sample],
    calibration: Mapping[Category, Calibration],
) -> None:
    """Write everything but the weights.

    Args:
        folder: holds the weights already.
        report: for the card.
        samples: training data, from which the domain follows.
        calibration: scores per process and characteristic.
    """
    _write_json(folder / DOMAIN_FILE, {"processes": _domain(samples)})
    intervals = [
        {
            "process": process,
            "characteristic": characteristic,
            "origin": scores.origin,
            "model": [round(score, 4) for score in scores.model],
            "rule": [round(score, 4) for score in scores.rule],
        }
        for (process, characteristic), scores in calibration.items()
    ]
    _write_json(folder / INTERVALS_FILE, {"categories": intervals}, indent=None)
    digests = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in DIGESTED_FILES
    }
    version = f"{report.catalog_version}-{digests[MODEL_FILE][:8]}"
    (folder / MODEL_CARD_FILE).write_text(_model_card(report, version, digests), "utf-8")
    card = {
        "name": report.name,
        "version": version,
        "licence": "Apache-2.0",
        "sha256": digests,
        "columns": report.columns,
        "golden": report.golden,
        "training": report.training,
        "measured": asdict(report.measured) if report.measured else None,
        "categories": [asdict(category) for category in report.categories],
        "published": [asdict(result) for result in report.published],
    }
    _write_json(folder / CARD_FILE, card)


def _write_json(path: Path, document: object, indent: int | None = 1) -> None:
    path.write_text(json.dumps(document, indent=indent, ensure_ascii=False) + "\n", "utf-8")


def _domain(samples: Sequence[Sample]) -> dict[str, dict[str, Any]]:
    by_process: dict[str, list[Sample]] = {}
    for sample in samples:
        by_process.setdefault(sample.case.process, []).append(sample)
    return {
        process: {
            "families": sorted({s.case.family for s in own}),
            "features": sorted({s.case.feature for s in own}),
            "characteristics": sorted({s.case.characteristic for s in own}),
            "size_mm": _range([s.geometry.size_mm for s in own]),
            "slenderness": _range([s.geometry.slenderness for s in own]),
            "thinness": _range([s.geometry.thinness for s in own]),
        }
        for process, own in by_process.items()
    }


def _range(values: Sequence[float]) -> list[float]:
    return [min(values), max(values)]


def _model_card(report: ModelReport, version: str, digests: Mapping[str, str]) -> str:
    lines = [
        f"# {report.name} {version}",
        "",
        "Predicts the zone of flatness, cylindricity or position (mm) that a process holds at "
        "Cpk 1.33, with a calibrated interval.",
        "",
        *_origin_text(report),
        "",
        f"Training: {json.dumps(report.training, ensure_ascii=False)}",
        "",
        "| file | sha256 |",
        "|---|---|",
        *(f"| {name} | {digest} |" for name, digest in digests.items()),
        "",
        "## Published values, none of which entered the constants or the training",
        "",
        "The model predicts a zone held at Cpk 1.33; a measured mean is smaller than that. Where a "
        "spread is published, mean + 3 x 1.33 x std stands in brackets.",
        "",
        *_table_head("part", "published mm", "predicted mm", "90 % interval mm", "ratio", "inside"),
        *(_published_row(result) for result in report.published),
        "",
        *(f"- {result.label} ({result.kind}): {result.source}" for result in report.published),
        "",
        "## Held-out rows per process and characteristic",
        "",
        "Error is exp(mean |ln(actual / predicted)|): 1.3 means typically off by 30 %. Coverage is "
        "the share of rows inside the interval of that level.",
        "",
        *_table_head(
            "process, characteristic",
            "rows from",
            "error",
            "error of the baseline",
            *(f"{level:.0%}" for level in REPORTED_LEVELS),
            "90 % interval",
        ),
        *(_category_row(category) for category in report.categories),
        "",
    ]
    return "\n".join(lines)


def _origin_text(report: ModelReport) -> list[str]:
    if report.measured is None:
        return [
            "**A synthetic prior.** It was trained on data generated from the tables of ISO 286-1, "
            "published grade ranges of processes and assumptions marked as such in "
            "`data/catalog.toml`. It has seen no measured part. Coverage below is coverage of the "
            "generator's parts and says nothing about your shop until the model is trained on your "
            "measurements: `python -m services.tolerance.train measurements.csv`.",
        ]
    errors = report.measured
    prior = f", of the demo model {_factor(errors.prior)}" if errors.prior is not None else ""
    return [
        f"Trained on measurements and the synthetic prior. On {errors.rows} held-out measured rows "
        f"the error is {_factor(errors.model)}, of the standards baseline "
        f"{_factor(errors.baseline)}{prior}; {errors.gain_over_baseline:.0%} of the baseline's "
        "error is removed.",
    ]


def _table_head(*titles: str) -> list[str]:
    return [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]


def _factor(log_error: float) -> str:
    return f"x{exp(log_error):.2f}"


def _published_row(result: PublishedResult) -> str:
    capability = f" ({result.capability_mm:.3f})" if result.capability_mm is not None else ""
    low_mm, high_mm = result.interval_mm
    return (
        f"| {result.label} | {result.published_mm:.3f}{capability} | {result.predicted_mm:.3f} | "
        f"{low_mm:.3f} to {high_mm:.3f} | {result.factor:.2f} | "
        f"{'yes' if result.is_inside else 'no'} |"
    )


def _category_row(category: CategoryReport) -> str:
    shares = " | ".join(f"{share:.1%}" for share in category.coverage.values())
    low, high = category.interval_factors
    return (
        f"| {category.process}, {category.characteristic} | {category.origin} | "
        f"{_factor(category.errors.model)} | {_factor(category.errors.baseline)} | {shares} | "
        f"x{low:.2f} to x{high:.2f} |"
    )
