"""What a dimension must hold to be taken for one, after its characters were understood."""

import re
from dataclasses import replace

from services.drawings.grammar.readings import Dimension, Number
from services.drawings.grammar.scanner import NotRead

_STEEL_NAMES = {10, 15, 22, 25, 30, 35, 40, 45, 50, 55, 60}  # C10 to C60 of EN 10083 and others
_NAMES_FROM = 50  # C1100, C3604 of JIS H 3100 and the like; hardly a chamfer is as large
_BAR_NAMES = {235, 295, 300}  # SR235 of KS D 3504
_MATERIAL_NUMBER = re.compile(r"[1-9][.,][0-9]{4}")  # 1.4301 of EN 10027-2


def checked(dimension: Dimension) -> Dimension:
    """Refuse what cannot be a dimension, and note what contradicts itself.

    Raises:
        NotRead: with the reason.
    """
    _check_sizes(dimension)
    _check_kind(dimension)
    if dimension.nominal is not None and dimension.upper is not None:
        _check_deviations(dimension.nominal, dimension.upper, dimension.lower)
    has_tolerance = dimension.upper is not None or dimension.upper_limit or dimension.lower_limit
    if has_tolerance:
        dimension = replace(dimension, tolerance_source="explicit")
    elif dimension.fit is not None:
        dimension = replace(dimension, tolerance_source="fit")
    if dimension.tolerance_source != "none":
        return replace(dimension, conflicts=_conflicts(dimension))
    return dimension


def _conflicts(dimension: Dimension) -> tuple[str, ...]:
    found = []
    if dimension.is_reference:
        found.append("a reference dimension carries a tolerance")
    if dimension.is_basic:
        found.append("a basic dimension carries a tolerance")
    return tuple(found)


def _check_sizes(dimension: Dimension) -> None:
    for number in (dimension.nominal, dimension.upper_limit):
        if number is not None and not number.value:
            raise NotRead("a size of zero: an origin, or a deviation alone")
    if dimension.kind == "angle" and dimension.nominal and dimension.nominal.value > 360:
        raise NotRead("an angle above 360°")
    if dimension.chamfer_angle is not None and not 0 < dimension.chamfer_angle.value < 90:
        raise NotRead("the angle of a chamfer lies between 0 and 90°")


def _check_kind(dimension: Dimension) -> None:
    nominal, is_toleranced = dimension.nominal, bool(dimension.upper or dimension.upper_limit)
    if dimension.kind == "arc_length" and not is_toleranced:
        raise NotRead("⌒ before a number: the length of an arc or the profile of a line")
    if dimension.angle is not None and dimension.step != "countersink":
        raise NotRead("an angle behind a diameter that is no countersink")
    if nominal is None or is_toleranced or dimension.unit is not None or dimension.count:
        return
    if dimension.kind == "linear" and _MATERIAL_NUMBER.fullmatch(nominal.text):
        raise NotRead(f"{nominal.text}: a size or the number of a material")
    is_chamfer_sign = dimension.kind == "chamfer" and not _printed(dimension.chamfer_angle)
    is_name = nominal.value in _STEEL_NAMES or nominal.value >= _NAMES_FROM
    if is_chamfer_sign and is_name and not nominal.decimals:
        raise NotRead(f"C{nominal.text}: a chamfer or the name of a steel or copper alloy")
    if dimension.kind == "spherical_radius" and nominal.value in _BAR_NAMES:
        raise NotRead(f"SR{nominal.text}: a spherical radius or the name of a steel")


def _check_deviations(nominal: Number, upper: Number, lower: Number | None) -> None:
    assert lower is not None
    if max(abs(upper.value), abs(lower.value)) > max(nominal.value, 1.0):
        raise NotRead("the deviations are larger than the size")
    if upper.value < 0 and not (nominal.decimals or upper.decimals or lower.decimals):
        raise NotRead("whole numbers joined by hyphens: a date or another number")


def _printed(number: Number | None) -> bool:
    return number is not None and number.is_printed
