"""Reads the tables of the standards, which lie beside this module as JSON.

Each table names its source and says which of its values have been confirmed. This is the only
module of the package that touches the disk.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.standards.iso286 import Iso286Tables, ShaftDeviation
from shared.standards.iso2768 import GeneralTable, Iso2768Tables

FOLDER = Path(__file__).resolve().parent


def load_iso286() -> Iso286Tables:
    """Read the grades and fundamental deviations of ISO 286-1."""
    grades = _read_json("iso286_grades.json")
    deviations = _read_json("iso286_deviations.json")
    return Iso286Tables(
        standard=grades["standard"],
        up_to_mm=tuple(float(step["up_to_mm"]) for step in grades["steps"]),
        grade_um=tuple(tuple(float(v) for v in step["it_um"]) for step in grades["steps"]),
        shafts={
            letter: ShaftDeviation(
                letter=letter,
                kind=row["kind"],
                grades=(row["grades"][0], row["grades"][1]),
                up_to_mm=tuple(map(float, row["up_to_mm"])),
                deviation_um=tuple(map(float, row["um"])),
                verified_up_to_mm=float(row["verified_up_to_mm"]),
            )
            for letter, row in deviations["shafts"].items()
        },
        source=grades["source"],
        deviation_source=deviations["source"],
    )


def load_iso2768() -> Iso2768Tables:
    """Read the general tolerances of ISO 2768-1 and -2."""
    part1 = _read_json("iso2768_1.json")
    part2 = _read_json("iso2768_2.json")
    return Iso2768Tables(
        linear_standard=part1["standard"],
        geometrical_standard=part2["standard"],
        geometrical_status=part2["status"],
        linear=_general_table("linear", part1["linear"], "plus_minus_mm"),
        radius_and_chamfer=_general_table(
            "radius or chamfer", part1["radius_and_chamfer"], "plus_minus_mm"
        ),
        angle=_general_table("angle", part1["angle_by_shorter_side"], "plus_minus_minutes"),
        geometrical={
            name: _general_table(name, table, "zone_mm")
            for name, table in part2["characteristics"].items()
        },
        without_general_tolerance=tuple(part2["without_general_tolerance"]),
    )


def _read_json(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FOLDER / name).read_text("utf-8"))
    return document


def _general_table(name: str, fields: Mapping[str, Any], values_key: str) -> GeneralTable:
    values = {
        letter: tuple(None if v is None else float(v) for v in row)
        for letter, row in fields[values_key].items()
    }
    verified = fields["verified"]
    if isinstance(verified, bool):
        verified = dict.fromkeys(values, verified)
    return GeneralTable(
        name=name,
        source=fields["source"],
        up_to_mm=tuple(map(float, fields["up_to_mm"])),
        from_mm=float(fields.get("from_mm", 0.0)),
        values=values,
        verified=verified,
    )
