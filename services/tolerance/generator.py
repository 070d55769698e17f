"""Synthetic parts: what shops of each process would hold, drawn around the rules of the catalog.

Per part: a grade around the typical one, a relative accuracy A, B or C, the shape and material
factors, and log-normal noise between shops. The result is the zone held at the reference
capability (Cpk 1.33). A model trained on it is a prior made of standards and assumptions, not of
measurements.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from services.tolerance.cases import Case, CaseKey, Category, Geometry
from services.tolerance.catalog import Catalog, Process
from services.tolerance.rules import apply_rule
from shared.standards.iso286 import Iso286Tables, grade_um

MIN_SLENDERNESS, MAX_SLENDERNESS = 0.1, 20.0
MAX_THINNESS = 100.0
SHARE_WITHOUT_SHAPE = 0.2  # parts whose length or thickness is not given
IT14_SMALLEST_MM = 1.0  # IT14 to IT18 are not used up to here


@dataclass(frozen=True, slots=True)
class Sample:
    """One part with the zone that its shop holds at the reference capability."""

    case: Case
    geometry: Geometry
    value_mm: float


def generate(
    catalog: Catalog,
    tables: Iso286Tables,
    cases: Mapping[CaseKey, Case],
    *,
    rows_per_category: int,
    seed: int,
) -> Iterator[Sample]:
    """Draw the same number of parts for every process and characteristic, in the catalog's order.

    Args:
        catalog: rules, materials and processes.
        tables: ISO 286-1.
        cases: every answerable combination.
        rows_per_category: parts drawn for each characteristic of each process.
        seed: the same seed gives the same parts.
    """
    for number, name in enumerate(catalog.processes):
        rng = np.random.default_rng([seed, number])
        for characteristic in catalog.characteristics:
            drawer = _Drawer(catalog, tables, cases, (name, characteristic))
            if drawer.can_draw:
                for _ in range(rows_per_category):
                    yield drawer.draw(rng)


class _Drawer:
    """Draws parts of one category; the tables that it needs are prepared once."""

    def __init__(
        self,
        catalog: Catalog,
        tables: Iso286Tables,
        cases: Mapping[CaseKey, Case],
        category: Category,
    ) -> None:
        self._catalog = catalog
        self._tables = tables
        self._process = catalog.processes[category[0]]
        self._groups = _usual_cases(cases, category)
        self._grades, self._grade_edges = _grade_distribution(catalog, self._process)
        self._accuracies = tuple(catalog.accuracy_weights)
        self._accuracy_edges = _interior_edges(list(catalog.accuracy_weights.values()))

    @property
    def can_draw(self) -> bool:
        """Return whether the process can be asked for the characteristic at all."""
        return bool(self._groups)

    def draw(self, rng: np.random.Generator) -> Sample:
        """Draw one part: what it is, how big, and how well its shop works."""
        group = self._groups[int(rng.integers(len(self._groups)))]
        case = group[int(rng.integers(len(group)))]
        geometry = self._draw_geometry(rng, case)
        grade = self._grades[int(np.searchsorted(self._grade_edges, rng.random(), "right"))]
        accuracy = self._accuracies[
            int(np.searchsorted(self._accuracy_edges, rng.random(), "right"))
        ]
        zone = self._catalog.zones[case.characteristic]
        typical = apply_rule(case, geometry)
        grade_ratio = grade_um(self._tables, geometry.size_mm, grade + zone.grade_shift) / grade_um(
            self._tables, geometry.size_mm, case.grade
        )
        accuracy_ratio = zone.ratios[accuracy] / case.ratio
        noise = exp(rng.normal(0.0, self._process.noise_sigma))
        return Sample(case, geometry, typical.value_mm * grade_ratio * accuracy_ratio * noise)

    def _draw_geometry(self, rng: np.random.Generator, case: Case) -> Geometry:
        smallest_mm, largest_mm = self._process.size_mm
        smallest_mm = max(smallest_mm, np.nextafter(IT14_SMALLEST_MM, 2.0))
        size_mm = _log_uniform(rng, float(smallest_mm), largest_mm)
        is_given = rng.random() >= SHARE_WITHOUT_SHAPE
        if case.characteristic == "cylindricity" and is_given:
            return Geometry(size_mm, _log_uniform(rng, MIN_SLENDERNESS, MAX_SLENDERNESS), 0.0)
        if case.characteristic == "flatness" and is_given:
            return Geometry(size_mm, 0.0, _log_uniform(rng, 1.0, MAX_THINNESS))
        return Geometry(size_mm, 0.0, 0.0)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return min(high, exp(rng.uniform(log(low), log(high))))


def _usual_cases(cases: Mapping[CaseKey, Case], category: Category) -> list[list[Case]]:
    """Group a category's usual cases, so that each feature and family is equally likely."""
    groups: dict[tuple[str, str], list[Case]] = {}
    for case in cases.values():
        if case.category == category and case.is_usual:
            groups.setdefault((case.feature, case.family), []).append(case)
    return list(groups.values())


def _grade_distribution(
    catalog: Catalog, process: Process
) -> tuple[list[int], NDArray[np.float64]]:
    """Weigh each grade of the range by ``grade_decay`` per grade of distance from the typical."""
    finest, coarsest = process.it_grades
    grades = list(range(finest, coarsest + 1))
    weights = [catalog.grade_decay ** abs(grade - process.it_typical) for grade in grades]
    return grades, _interior_edges(weights)


def _interior_edges(weights: list[float]) -> NDArray[np.float64]:
    """Cut [0, 1) in proportion to n weights: the n-1 cuts between them."""
    edges: NDArray[np.float64] = np.cumsum(weights)[:-1] / np.sum(weights)
    return edges
