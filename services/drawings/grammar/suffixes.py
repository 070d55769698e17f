"""What may stand behind a size; one rule each.

A rule takes what it knows at the scanner's position and returns the dimension with it, or None when
it does not apply; the caller then puts the scanner back.
"""

import re
from collections.abc import Callable
from dataclasses import replace

from services.drawings.grammar.angles import take_angular_amount
from services.drawings.grammar.deviations import plain_amount, take_deviations, take_fit
from services.drawings.grammar.readings import Depth, Dimension, Kind, LengthUnit
from services.drawings.grammar.scanner import NotRead, Scanner
from services.drawings.grammar.sizes import take_step, take_times_angle
from services.drawings.grammar.words import (
    BASIC,
    DEPTH_BEFORE,
    DEPTH_BEHIND,
    DIAMETER,
    MAXIMUM,
    MINIMUM,
    NOTE,
    NOTE_OF_CHAMFER,
    NOTE_OF_HOLE,
    PITCH_CIRCLE,
    PLACES,
    REFERENCE,
    THICKNESS,
    THROUGH,
)

Rule = Callable[[Scanner, Dimension], Dimension | None]

_RANGE = re.compile(r"~|\.\.\.|…")
_SLASH = re.compile(r"/ ?(?=[⌀R0-9.])")
_LINE = re.compile(r" *\n *(?=[⌀R]? ?[0-9.])")
_SAME_SIGN = {"diameter": re.compile(r"⌀"), "radius": re.compile(r"R")}
_DEPTH_TIMES = re.compile(r"[xX×](?= ?[0-9.])")
_ON_CIRCLE = re.compile(r"(?:ON ?)?⌀", re.IGNORECASE)
_TIMES_IN_PARENTHESES = re.compile(r"(?<=\()([1-9][0-9]{0,2}) ?[xX×](?= ?\))")
_PLACES_NUMBER = re.compile(r"[xX×]? ?([1-9][0-9]{0,2})[ -]?(?=[A-Za-z가-힣])")
MODIFIER = re.compile(r"Ⓔ|\(E\)")
_MILLIMETRE = re.compile(r"(?:mm|MM)(?![A-Za-z0-9])\.?")
_INCH = re.compile(r"\"|(?:inches|inch|INCH|in|IN)(?![A-Za-z0-9])\.?")
# "4 HOLES" is a count: behind a bare number these words do not make it a size.
_NOTES_OF_KIND: dict[Kind, re.Pattern[str]] = {
    "diameter": NOTE_OF_HOLE,
    "thread": NOTE_OF_HOLE,
    "chamfer": NOTE_OF_CHAMFER,
}
_FITTED: tuple[Kind, ...] = (
    "linear", "diameter", "spherical_diameter", "square", "thickness", "pitch_circle",
)  # fmt: skip
_WITHOUT_DEVIATIONS: tuple[Kind, ...] = ("thread", "taper", "slope")
_DEEP: tuple[Kind, ...] = (
    "diameter", "linear", "radius", "spherical_diameter", "spherical_radius", "square", "thread",
)  # fmt: skip
_ON_CIRCLES: tuple[Kind, ...] = ("diameter", "thread")
# Behind a bare number or on a line of their own, other letters begin a callout, a sheet size or a
# zone: 4 M8, 2 R6, 3 A4.
_FITS_OF_BARE_NUMBER = "DEFGHJKNPdefghjkmnprs"
_CLOSE_SHARE = 0.1  # limits lie no farther apart than this share of the size
_CLOSE_SIZE = 0.2  # in the unit of the sheet


def _fit(scanner: Scanner, dimension: Dimension) -> Dimension | None:
    is_on_next_line = scanner.next_is("\n")
    fit = take_fit(scanner)
    if fit is None:
        return None
    if dimension.kind not in _FITTED or dimension.fit is not None or dimension.nominal is None:
        raise NotRead(f"{fit.text} cannot belong to this size")
    is_apart = is_on_next_line or dimension.kind == "linear"
    if is_apart and fit.text[0] not in _FITS_OF_BARE_NUMBER:
        raise NotRead(f"{fit.text} may be a tolerance class or a callout of its own")
    return replace(dimension, fit=fit)


def _deviations(scanner: Scanner, dimension: Dimension) -> Dimension | None:
    is_angle = dimension.kind == "angle"
    is_behind_degrees = scanner.text[: scanner.at].rstrip().endswith("°") and not is_angle
    found = take_deviations(scanner, take_angular_amount if is_angle else plain_amount)
    if found is None:
        return None
    if dimension.upper is not None or dimension.nominal is None:
        raise NotRead("two tolerances")
    if dimension.kind in _WITHOUT_DEVIATIONS or is_behind_degrees:
        raise NotRead(f"deviations behind a {dimension.kind} that may belong to its angle or pitch")
    return replace(dimension, upper=found.upper, lower=found.lower)


def _limits(scanner: Scanner, dimension: Dimension) -> Dimension | None:
    is_range = scanner.take(_RANGE) is not None
    is_slash = not is_range and scanner.take(_SLASH) is not None
    if not is_range and not is_slash and not scanner.take(_LINE):
        return None
    sign = _SAME_SIGN.get(dimension.kind)
    if sign is not None:
        scanner.take(sign)
    first, second = dimension.nominal, scanner.number()
    is_toleranced = dimension.upper is not None or dimension.fit is not None
    if first is None or second is None or is_toleranced or dimension.kind in _WITHOUT_DEVIATIONS:
        raise NotRead("two numbers that are no limits of one size")
    lower, upper = sorted((first, second), key=lambda each: each.value)
    has_sign = dimension.kind != "linear"
    if is_range:
        is_sure = bool(first.decimals or second.decimals or has_sign)
    elif is_slash and not has_sign:
        is_sure = False  # 0.5 / 0.6 may part two values of any kind
    else:
        is_sure = first.decimals == second.decimals > 0 and _is_close(lower.value, upper.value)
    if not is_sure or lower.value == upper.value:
        raise NotRead("two numbers that may be limits or two sizes")
    return replace(dimension, nominal=None, upper_limit=upper, lower_limit=lower)


def _is_close(lower: float, upper: float) -> bool:
    return upper - lower <= max(_CLOSE_SHARE * upper, _CLOSE_SIZE)


def _one_limit(scanner: Scanner, dimension: Dimension) -> Dimension | None:
    is_maximum = scanner.take(MAXIMUM) is not None
    minimum = None if is_maximum else scanner.take(MINIMUM)
    if not is_maximum and minimum is None:
        return None
    if minimum is not None and minimum[0].islower() and dimension.kind == "linear":
        raise NotRead("min behind a bare number: a limit or minutes")
    is_toleranced = dimension.upper is not None or dimension.fit is not None
    if dimension.nominal is None or is_toleranced or dimension.depth is not None:
        raise NotRead("MAX or MIN beside another tolerance")
    if dimension.kind in _WITHOUT_DEVIATIONS:
        raise NotRead(f"MAX or MIN behind a {dimension.kind}")
    if is_maximum:
        return replace(dimension, nominal=None, upper_limit=dimension.nominal)
    return replace(dimension, nominal=None, lower_limit=dimension.nominal)


def _unit(scanner: Scanner, dimension: Dimension) -> Dimension | None:
    is_millimetre = scanner.take(_MILLIMETRE) is not None
    inch = None if is_millimetre else scanner.take(_INCH)
    if not is_millimetre and inch is None:
        return None
    is_bare = dimension.nominal is not None and not dimension.nominal.decimals
    if inch is not None and inch[0] == "in" and is_bare and dimension.kind == "linear":
        raise NotRead("in behind a bare whole number: inches or the word")
    unit: LengthUnit = "mm" if is_millimetre else "in"
    is_second = dimension.unit is not None and dimension.upper is None
    if is_second or dimension.unit not in (None, unit) or dimension.kind in ("taper", "slope"):
        raise NotRead("two units")
    return replace(dimension, unit=unit)


def _times_angle(scanner: Scanner, dimension: Dimension) -> Dimension | None:
    angle = take_times_angle(scanner)
    if angle is None:
        return None
    if dimension.kind == "diameter" and dimension.angle is None:
        return replace(dimension, angle=angle)
    if dimension.kind == "linear":
        return replace(dimension, kind="chamfer", chamfer_angle=angle)
    raise NotRead(f"× {angle.text} behind a {dimension.kind}")


def _depth(scanner: Scanner, dimension: Dimension) -> Dimension | None:
    if scanner.take(DEPTH_BEFORE):
        value = scanner.number()
    else:
        scanner.take(_DEPTH_TIMES)
        value = scanner.number()
        if value is None or scanner.take(DEPTH_BEHIND) is None:
            return None
    if value is None or not value.value or dimension.depth is not None:
        raise NotRead("a depth without its number, or two depths")
    if dimension.kind not in _DEEP:
        raise NotRead(f"a depth behind a {dimension.kind}")
    is_on_next_line = scanner.next_is("\n")
    found = take_deviations(scanner, plain_amount)
    if found is not None and is_on_next_line:
        raise NotRead("deviations below a size and its depth: they may belong to either")
    if scanner.peek(MAXIMUM) or scanner.peek(MINIMUM):
        raise NotRead("a depth with one limit")
    depth = Depth(value, found.upper, found.lower) if found else Depth(value)
    return replace(dimension, depth=depth)


def _through(scanner: Scanner, dimension: Dimension) -> Dimension | None:
    if scanner.take(THROUGH) is None:
        return None
    if dimension.kind not in _DEEP:
        raise NotRead(f"a through hole behind a {dimension.kind}")
    return replace(dimension, is_through=True)


def _pitch_circle(scanner: Scanner, dimension: Dimension) -> Dimension | None:
    if scanner.take(PITCH_CIRCLE):
        scanner.take(_ON_CIRCLE)
        number = scanner.number()
        if number is None:
            if dimension.kind not in ("diameter", "linear"):
                raise NotRead("a pitch circle without its diameter")
            return replace(dimension, kind="pitch_circle")
    else:
        number = scanner.number() if scanner.take(_ON_CIRCLE) else None
        if number is None or scanner.take(PITCH_CIRCLE) is None:
            return None
    if dimension.pitch_circle is not None or not number.value or dimension.kind not in _ON_CIRCLES:
        raise NotRead("a pitch circle of zero, a second one, or one of no holes")
    return replace(dimension, pitch_circle=number)


def _places(scanner: Scanner, dimension: Dimension) -> Dimension | None:
    found = scanner.take(_TIMES_IN_PARENTHESES) or scanner.take(_PLACES_NUMBER)
    if found is None or (found.re is _PLACES_NUMBER and scanner.take(PLACES) is None):
        return None
    count = int(found[1])
    if dimension.count not in (None, count):
        raise NotRead("two counts")
    return replace(dimension, count=count)


def _modifier(scanner: Scanner, dimension: Dimension) -> Dimension | None:
    found = scanner.take(MODIFIER)
    if found is None:
        return None
    if dimension.modifiers:
        raise NotRead("Ⓔ twice")
    return replace(dimension, modifiers=("Ⓔ",))


def _reference(scanner: Scanner, dimension: Dimension) -> Dimension | None:
    return replace(dimension, is_reference=True) if scanner.take(REFERENCE) else None


def _basic(scanner: Scanner, dimension: Dimension) -> Dimension | None:
    return replace(dimension, is_basic=True) if scanner.take(BASIC) else None


def _step(scanner: Scanner, dimension: Dimension) -> Dimension | None:
    if dimension.kind not in ("diameter", "linear") or dimension.step is not None:
        return None
    is_sign = scanner.next_is("⌴") or scanner.next_is("⌵")  # these stand before a size only
    step = None if is_sign else take_step(scanner)
    return None if step is None else replace(dimension, kind="diameter", step=step)


def _kind_behind(scanner: Scanner, dimension: Dimension) -> Dimension | None:
    if dimension.kind != "linear":
        return None
    if scanner.take(DIAMETER):
        return replace(dimension, kind="diameter")
    return replace(dimension, kind="thickness") if scanner.take(THICKNESS) else None


def _note(scanner: Scanner, dimension: Dimension) -> Dimension | None:
    own = _NOTES_OF_KIND.get(dimension.kind)
    found = scanner.take(NOTE) or (scanner.take(own) if own else None)
    if found is None:
        return None
    return replace(dimension, notes=(*dimension.notes, scanner.printed(found)))


RULES: tuple[Rule, ...] = (
    _fit,
    _deviations,
    _unit,
    _times_angle,
    _depth,
    _limits,
    _one_limit,
    _through,
    _pitch_circle,
    _places,
    _modifier,
    _reference,
    _basic,
    _step,
    _kind_behind,
    _note,
)
"""Tried in this order."""
