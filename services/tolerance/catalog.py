"""Materials, processes, features and the constants of the rules, parsed from ``data/catalog.toml``.

The catalog is the only list of names that the service accepts; nothing outside it is guessed.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Family:
    """Materials that share a factor on the zone; 1 is plain carbon steel."""

    factor: float
    source: str
    verified: bool


@dataclass(frozen=True)
class Material:
    """A named material and the family whose factor it takes."""

    name: str
    family: str


@dataclass(frozen=True)
class Process:
    """What a manufacturing process can make and how well."""

    name: str
    it_grades: tuple[int, int]
    it_typical: int
    noise_sigma: float  # standard deviation of ln(zone) between shops at one grade
    size_mm: tuple[float, float]  # trained sizes
    features: tuple[str, ...]
    characteristics: tuple[str, ...]
    families: tuple[str, ...]
    source: str
    verified: bool


@dataclass(frozen=True)
class ZoneRule:
    """A zone is ``ratio`` x IT of (the process's grade + ``grade_shift``) at the size."""

    size: str  # words that say which dimension is the size
    ratios: dict[str, float]  # by relative accuracy A, B, C
    grade_shift: int
    source: str
    verified: bool


@dataclass(frozen=True)
class ShapeRule:
    """factor = 1 + gain x max(0, ratio - free) on one characteristic."""

    applies_to: str
    gain: float
    free: float
    source: str
    verified: bool

    def factor(self, ratio: float) -> float:
        """Return the factor, at least 1, for a ratio of two dimensions."""
        return 1.0 + self.gain * max(0.0, ratio - self.free)


@dataclass(frozen=True)
class Catalog:
    """Everything of ``data/catalog.toml``, checked for dangling names."""

    version: str
    sources: dict[str, str]
    families: dict[str, Family]
    materials: dict[str, Material]
    processes: dict[str, Process]
    features: dict[str, tuple[str, ...]]  # feature -> characteristics of ISO 1101
    zones: dict[str, ZoneRule]  # characteristic -> rule
    slenderness: ShapeRule
    thinness: ShapeRule
    accuracy_weights: dict[str, float]
    grade_decay: float
    reference_cpk: float

    @property
    def characteristics(self) -> tuple[str, ...]:
        """Return the characteristics in their fixed order."""
        return tuple(self.zones)

    def characteristics_of(self, process: str, feature: str) -> tuple[str, ...]:
        """Return what can be asked about a feature made by a process; empty if it makes none."""
        capable = self.processes[process]
        if feature not in capable.features:
            return ()
        return tuple(c for c in self.features[feature] if c in capable.characteristics)


def parse_catalog(document: Mapping[str, Any]) -> Catalog:
    """Build a catalog from the parsed TOML document.

    Raises:
        ValueError: a name is used that the document does not define.
        KeyError: a section or field is missing.
    """
    rules = document["rules"]
    weights = {name: float(rules["accuracy_weights"][name]) for name in ("A", "B", "C")}
    catalog = Catalog(
        version=document["version"],
        sources=dict(document["sources"]),
        families={key: Family(**value) for key, value in document["families"].items()},
        materials={key: Material(**value) for key, value in document["materials"].items()},
        processes={key: _parse_process(value) for key, value in document["processes"].items()},
        features={
            key: tuple(value["characteristics"]) for key, value in document["features"].items()
        },
        zones={key: ZoneRule(**rules[key]) for key in ("flatness", "cylindricity", "position")},
        slenderness=_parse_shape(rules["slenderness"]),
        thinness=_parse_shape(rules["thinness"]),
        accuracy_weights=weights,
        grade_decay=rules["grade_decay"]["factor"],
        reference_cpk=rules["reference_cpk"],
    )
    _check_names(catalog)
    return catalog


def _parse_process(fields: Mapping[str, Any]) -> Process:
    finest, coarsest = fields["it_grades"]
    smallest_mm, largest_mm = fields["size_mm"]
    return Process(
        name=fields["name"],
        it_grades=(finest, coarsest),
        it_typical=fields["it_typical"],
        noise_sigma=fields["noise_sigma"],
        size_mm=(smallest_mm, largest_mm),
        features=tuple(fields["features"]),
        characteristics=tuple(fields["characteristics"]),
        families=tuple(fields["families"]),
        source=fields["source"],
        verified=fields["verified"],
    )


def _parse_shape(fields: Mapping[str, Any]) -> ShapeRule:
    names = ("applies_to", "gain", "free", "source", "verified")
    return ShapeRule(**{name: fields[name] for name in names})


def _check_names(catalog: Catalog) -> None:
    used: list[tuple[str, Collection[str]]] = [
        *((material.family, catalog.families) for material in catalog.materials.values()),
        *((family, catalog.families) for p in catalog.processes.values() for family in p.families),
        *(
            (feature, catalog.features)
            for p in catalog.processes.values()
            for feature in p.features
        ),
        *((c, catalog.zones) for p in catalog.processes.values() for c in p.characteristics),
        *((c, catalog.zones) for names in catalog.features.values() for c in names),
        *((p.source, catalog.sources) for p in catalog.processes.values()),
        *((f.source, catalog.sources) for f in catalog.families.values()),
        *((z.source, catalog.sources) for z in catalog.zones.values()),
    ]
    for name, known in used:
        if name not in known:
            raise ValueError(f"the catalog uses {name!r} but does not define it")
