"""One entry per answerable question: (material, process, feature, characteristic).

Building all of them once turns a request into a dictionary look-up: the entry holds the rule's
numbers and the constant columns of the model's input, so the hot path does arithmetic only.
"""

from bisect import bisect_left
from dataclasses import dataclass
from struct import pack

import msgspec

from services.tolerance.catalog import Catalog, ShapeRule
from services.tolerance.parts import Dimensions
from shared.standards.iso286 import Iso286Tables

CaseKey = tuple[str, str, str, str]
Category = tuple[str, str]  # (process, characteristic): what an interval is calibrated for

# Columns 0-2 change with the part, the rest with the case. ``+1`` columns are held monotone.
SIZE_COLUMNS = ("size_mm", "slenderness", "thinness")
MONOTONE_COLUMNS = (*SIZE_COLUMNS, "it_grade", "material_factor")


class Geometry(msgspec.Struct, frozen=True):  # made for every row: cheaper than a dataclass
    """The three numbers that a prediction takes from the dimensions; 0 means not given."""

    size_mm: float
    slenderness: float  # length or depth over diameter
    thinness: float  # longest side of the face over thickness


@dataclass(frozen=True, slots=True)
class Case:
    """What is fixed once material, process, feature and characteristic are known."""

    material: str
    process: str
    feature: str
    characteristic: str
    category: Category
    family: str
    is_usual: bool  # the process is known to work this family of materials
    ratio: float  # zone over IT
    grade: int
    material_factor: float
    up_to_mm: tuple[float, ...]
    grade_mm: tuple[float, ...]  # IT of ``grade`` per size step
    standard: str
    columns: tuple[float, ...]  # constant model columns, after SIZE_COLUMNS
    packed_columns: bytes  # the same as native float32
    slenderness: ShapeRule
    thinness: ShapeRule
    baseline_words: str  # how the baseline was formed, but for the size
    grade_name: str

    def baseline_mm(self, size_mm: float) -> float:
        """Return the zone of the typical grade at a size of at most 3150 mm."""
        return self.ratio * self.grade_mm[bisect_left(self.up_to_mm, size_mm)]


def column_names(catalog: Catalog) -> tuple[str, ...]:
    """Name the model's input columns in order."""
    return (
        *MONOTONE_COLUMNS,
        *(f"characteristic={name}" for name in catalog.characteristics),
        *(f"feature={name}" for name in catalog.features),
        *(f"process={name}" for name in catalog.processes),
        *(f"family={name}" for name in catalog.families),
    )


def build_cases(catalog: Catalog, tables: Iso286Tables) -> dict[CaseKey, Case]:
    """List every combination that the catalog allows."""
    cases: dict[CaseKey, Case] = {}
    for process in catalog.processes:
        for feature in catalog.features:
            for characteristic in catalog.characteristics_of(process, feature):
                for material in catalog.materials:
                    key = (material, process, feature, characteristic)
                    cases[key] = _build_case(catalog, tables, key)
    return cases


def measure(feature: str, characteristic: str, dimensions: Dimensions) -> Geometry | None:
    """Take size, slenderness and thinness from the dimensions of a feature.

    Args:
        feature: plane, cylinder, hole or pattern.
        characteristic: one that applies to the feature.
        dimensions: positive millimetres, None where not given.

    Returns:
        The geometry, or None if the dimension that carries the size is missing
        (``REQUIRED_DIMENSIONS`` names it).
    """
    if characteristic == "position":
        location_mm = max(dimensions.location_x or 0.0, dimensions.location_y or 0.0)
        return Geometry(location_mm, 0.0, 0.0) if location_mm else None
    if characteristic == "flatness":
        side_mm = max(dimensions.length or 0.0, dimensions.width or 0.0, dimensions.diameter or 0.0)
        thickness_mm = dimensions.thickness
        thinness = side_mm / thickness_mm if thickness_mm else 0.0
        return Geometry(side_mm, 0.0, thinness) if side_mm else None
    diameter_mm = dimensions.diameter
    if diameter_mm is None:
        return None
    reach_mm = (dimensions.depth if feature == "hole" else dimensions.length) or 0.0
    return Geometry(diameter_mm, reach_mm / diameter_mm, 0.0)


# Dimensions that describe a feature; others are not used, and answers say so.
FEATURE_DIMENSIONS = {
    "plane": frozenset({"length", "width", "diameter", "thickness"}),
    "cylinder": frozenset({"diameter", "length", "location_x", "location_y"}),
    "hole": frozenset({"diameter", "depth", "location_x", "location_y"}),
    "pattern": frozenset({"diameter", "depth", "location_x", "location_y"}),
}
# What must be given.
REQUIRED_DIMENSIONS = {
    "flatness": "length, width or diameter",
    "cylindricity": "diameter",
    "position": "location_x or location_y",
}


def _build_case(catalog: Catalog, tables: Iso286Tables, key: CaseKey) -> Case:
    material, process_name, feature, characteristic = key
    process = catalog.processes[process_name]
    family = catalog.materials[material].family
    zone = catalog.zones[characteristic]
    grade = process.it_typical + zone.grade_shift
    factor = catalog.families[family].factor
    names = column_names(catalog)
    hot = {
        f"characteristic={characteristic}",
        f"feature={feature}",
        f"process={process_name}",
        f"family={family}",
    }
    ratio = zone.ratios["B"]
    one_hot = tuple(float(name in hot) for name in names[len(MONOTONE_COLUMNS) :])
    columns = (float(process.it_typical), factor, *one_hot)
    return Case(
        material=material,
        process=process_name,
        feature=feature,
        characteristic=characteristic,
        category=(process_name, characteristic),
        family=family,
        is_usual=family in process.families,
        ratio=ratio,
        grade=grade,
        material_factor=factor,
        up_to_mm=tables.up_to_mm,
        grade_mm=tuple(step[grade - 1] / 1000 for step in tables.grade_um),
        standard=tables.standard,
        columns=columns,
        packed_columns=pack(f"={len(columns)}f", *columns),
        slenderness=catalog.slenderness,
        thinness=catalog.thinness,
        baseline_words=f"{ratio:.3g} x IT{grade}",
        grade_name=f"IT{grade}",
    )
