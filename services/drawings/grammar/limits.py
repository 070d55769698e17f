"""Fills in the limits of a dimension from ISO 286 and ISO 2768."""

from dataclasses import replace
from functools import cache

from services.drawings.grammar.readings import (
    Dimension,
    Fit,
    LengthUnit,
    Number,
    ToleranceClass,
)
from services.drawings.grammar.sheet import GeneralTolerance
from shared.standards.iso286 import Iso286Tables, OutsideStandard, limits
from shared.standards.iso2768 import Iso2768Tables, OutsideGeneralTolerances, look_up
from shared.standards.tables import load_iso286, load_iso2768

LINEAR_STANDARDS = (
    "ISO 2768",
    "KS B ISO 2768",
    "KS B 0412",
    "DIN ISO 2768",
    "EN 22768",
    "JIS B 0405",
)
"""Standards whose classes f, m, c and v have the values of ISO 2768-1."""

_MM_PER_INCH = 25.4
_DIGITS = 9  # of a sum of two printed numbers; hides the error of binary fractions only
_PRINTED_DIGITS = 0.0006  # mm; a deviation printed from a table is rounded to 0.001 mm


def resolve(
    dimension: Dimension, general: GeneralTolerance | None, *, unit: LengthUnit = "mm"
) -> Dimension:
    """Fill in deviations, limits and where they come from.

    Printed deviations or limits win over a fit, a fit over the general tolerance. Basic and
    reference dimensions get none. Where a fit and deviations are both printed, both stay, and
    ``conflicts`` says so if the table disagrees with the print. The further lines of a hole
    callout are resolved as well.

    Args:
        dimension: as ``read`` gave it.
        general: the sheet's general tolerance, if it states one.
        unit: the sheet's unit of length, for dimensions printed without one.

    Returns:
        A new dimension; ``basis`` says which table was used or why none was. Never raises.
    """
    if dimension.unit is None:
        dimension = replace(dimension, unit=unit)
    dimension = _with_fit(dimension)
    if dimension.tolerance_source == "none":
        dimension = _with_general(dimension, general)
    steps = tuple(resolve(step, general, unit=unit) for step in dimension.steps)
    return _with_limits(replace(dimension, steps=steps))


def _with_fit(dimension: Dimension) -> Dimension:
    fit, nominal = dimension.fit, dimension.nominal
    if fit is None or nominal is None:
        return dimension
    scale = _MM_PER_INCH if dimension.unit == "in" else 1.0
    hole, reason = _deviations_of(fit.hole, nominal.value * scale)
    shaft, other_reason = _deviations_of(fit.shaft, nominal.value * scale)
    dimension = replace(dimension, fit=Fit(fit.text, hole, shaft))
    if dimension.upper is not None:
        return _compared(dimension, hole if shaft is None else shaft if hole is None else None)
    if hole is not None and shaft is not None:
        basis = "a fit of two parts; the limits of each stand with its class"
        return replace(dimension, basis=reason or other_reason or basis)
    single = hole or shaft
    if single is None or single.upper_mm is None or single.lower_mm is None:
        return replace(dimension, basis=reason or other_reason)
    return replace(
        dimension,
        upper=_computed(single.upper_mm / scale),
        lower=_computed(single.lower_mm / scale),
        basis=f"ISO 286-1 {single.text}" + ("" if single.is_verified else ", value not confirmed"),
    )


def _deviations_of(
    tolerance_class: ToleranceClass | None, size_mm: float
) -> tuple[ToleranceClass | None, str]:
    """Look a class up; the text says why the table holds no value."""
    if tolerance_class is None:
        return None, ""
    if tolerance_class.text.lstrip("ABCDEFGHJKMNPRSTUVXYZabcdefghjkmnprstuvxyz").startswith("0"):
        return tolerance_class, f"ISO 286-1: {tolerance_class.text}; the table holds IT1 to IT18"
    try:
        found = limits(_iso286(), size_mm, tolerance_class.text)
    except OutsideStandard as error:
        return tolerance_class, f"ISO 286-1: {error}"
    return (
        replace(
            tolerance_class,
            upper_mm=round(found.upper_um / 1000, _DIGITS),
            lower_mm=round(found.lower_um / 1000, _DIGITS),
            is_verified=found.verified,
        ),
        "",
    )


def _compared(dimension: Dimension, single: ToleranceClass | None) -> Dimension:
    """Note a contradiction between printed deviations and the class beside them."""
    upper, lower = dimension.upper, dimension.lower
    if single is None or single.upper_mm is None or single.lower_mm is None:
        return dimension
    assert upper is not None
    assert lower is not None
    scale = _MM_PER_INCH if dimension.unit == "in" else 1.0
    apart = max(
        abs(upper.value * scale - single.upper_mm), abs(lower.value * scale - single.lower_mm)
    )
    if apart <= _PRINTED_DIGITS:
        return dimension
    text = (
        f"{single.text} means {single.upper_mm:+g}/{single.lower_mm:+g} mm by ISO 286-1, "
        f"printed is {_pair(upper, lower)}"
    )
    return replace(dimension, conflicts=tuple(dict.fromkeys((*dimension.conflicts, text))))


def _pair(upper: Number, lower: Number) -> str:
    return upper.text if upper.text == lower.text else f"{upper.text}/{lower.text}"


def _with_general(dimension: Dimension, general: GeneralTolerance | None) -> Dimension:
    if dimension.is_basic or dimension.is_reference:
        word = "basic" if dimension.is_basic else "reference"
        return replace(dimension, basis=f"a {word} dimension has no tolerance of its own")
    if general is None:
        return replace(
            dimension, basis="no tolerance is printed, and the sheet states no general one"
        )
    nominal = dimension.nominal
    if dimension.kind in ("thread", "taper", "slope") or nominal is None:
        return replace(dimension, basis=f"general tolerances do not hold for a {dimension.kind}")
    if dimension.kind == "angle":
        return _with_angular(dimension, general)
    return _with_printed_general(dimension, nominal, general) or _with_class(
        dimension, nominal, general
    )


def _with_angular(dimension: Dimension, general: GeneralTolerance) -> Dimension:
    if general.angular is None:
        basis = "the general tolerance of an angle needs the length of its shorter side"
        return replace(dimension, basis=basis)
    deviation = general.angular.value
    return _from_general(dimension, deviation, -deviation, f"{general.text}")


def _with_printed_general(
    dimension: Dimension, nominal: Number, general: GeneralTolerance
) -> Dimension | None:
    """Apply a general tolerance that the sheet prints as a number."""
    for decimals, deviation in general.by_decimals:
        if decimals == nominal.decimals:
            basis = f"{general.text}: {decimals} decimals"
            return _from_general(dimension, deviation.value, -deviation.value, basis)
    if general.upper is None or general.lower is None:
        return None
    return _from_general(dimension, general.upper.value, general.lower.value, general.text)


def _with_class(dimension: Dimension, nominal: Number, general: GeneralTolerance) -> Dimension:
    letter = general.linear_class
    if letter is None or letter not in "fmcv":
        return replace(dimension, basis=f"{general.text[:80]} names no class of ISO 2768-1")
    if general.standard not in LINEAR_STANDARDS:
        return replace(dimension, basis=f"no table for {general.standard or general.text[:80]}")
    tables = _iso2768()
    is_edge = dimension.kind in ("radius", "spherical_radius", "chamfer")
    table = tables.radius_and_chamfer if is_edge else tables.linear
    scale = _MM_PER_INCH if dimension.unit == "in" else 1.0
    try:
        found = look_up(table, nominal.value * scale, letter)
    except OutsideGeneralTolerances as error:
        return replace(dimension, basis=str(error))
    basis = (
        f"ISO 2768-1 {letter}, {found.name} over {found.over_mm:g} up to {found.up_to_mm:g} mm"
        + ("" if found.verified else ", value not confirmed")
    )
    return _from_general(dimension, found.value / scale, -found.value / scale, basis)


def _from_general(dimension: Dimension, upper: float, lower: float, basis: str) -> Dimension:
    return replace(
        dimension,
        upper=_computed(upper),
        lower=_computed(lower),
        tolerance_source="general",
        basis=basis,
    )


def _with_limits(dimension: Dimension) -> Dimension:
    nominal, upper, lower = dimension.nominal, dimension.upper, dimension.lower
    if nominal is None or upper is None or lower is None:
        return dimension
    return replace(
        dimension,
        upper_limit=_computed(nominal.value + upper.value),
        lower_limit=_computed(nominal.value + lower.value),
    )


def _computed(value: float) -> Number:
    return Number("", round(value, _DIGITS))


@cache
def _iso286() -> Iso286Tables:
    return load_iso286()


@cache
def _iso2768() -> Iso2768Tables:
    return load_iso2768()
