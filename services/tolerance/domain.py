"""The region in which the model was trained; outside it trees answer flat, so the rule answers.

``domain.json`` beside the model lists, per process, the families, features and characteristics that
the training data held and the range of each numeric column.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.tolerance.cases import Case, Geometry


@dataclass(frozen=True, slots=True)
class ProcessDomain:
    """What the training data of one process held."""

    families: frozenset[str]
    features: frozenset[str]
    characteristics: frozenset[str]
    size_mm: tuple[float, float]
    slenderness: tuple[float, float]
    thinness: tuple[float, float]

    def departures(self, case: Case, geometry: Geometry) -> list[str]:
        """Say in what a part lies outside the training data; empty if it lies inside."""
        if self._holds(case, geometry):
            return []
        found = []
        if case.family not in self.families:
            found.append(f"no training data for {case.family} with {case.process}")
        if case.feature not in self.features or case.characteristic not in self.characteristics:
            found.append(f"no training data for {case.characteristic} of a {case.feature}")
        for name, value, (low, high) in (
            ("size_mm", geometry.size_mm, self.size_mm),
            ("slenderness", geometry.slenderness, self.slenderness),
            ("thinness", geometry.thinness, self.thinness),
        ):
            if not low <= value <= high:
                found.append(
                    f"{name} {value:.4g} lies outside {low:.4g} to {high:.4g} of {case.process}"
                )
        return found

    def _holds(self, case: Case, geometry: Geometry) -> bool:
        return (
            case.family in self.families
            and case.feature in self.features
            and case.characteristic in self.characteristics
            and self.size_mm[0] <= geometry.size_mm <= self.size_mm[1]
            and self.slenderness[0] <= geometry.slenderness <= self.slenderness[1]
            and self.thinness[0] <= geometry.thinness <= self.thinness[1]
        )


def parse_domain(document: Mapping[str, Any]) -> dict[str, ProcessDomain]:
    """Build the domain of each process from the content of ``domain.json``."""
    return {
        process: ProcessDomain(
            families=frozenset(fields["families"]),
            features=frozenset(fields["features"]),
            characteristics=frozenset(fields["characteristics"]),
            size_mm=_range(fields["size_mm"]),
            slenderness=_range(fields["slenderness"]),
            thinness=_range(fields["thinness"]),
        )
        for process, fields in document["processes"].items()
    }


def _range(pair: list[float]) -> tuple[float, float]:
    low, high = pair
    return low, high
