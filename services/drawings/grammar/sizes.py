"""The size of a callout with the sign in front that says what it is the size of."""

import re
from dataclasses import replace
from re import Pattern

from services.drawings.grammar.angles import take_angle
from services.drawings.grammar.readings import Dimension, HoleStep, Kind, LengthUnit, Number
from services.drawings.grammar.scanner import NotRead, Scanner
from services.drawings.grammar.threads import inches, take_thread
from services.drawings.grammar.words import (
    COUNTERBORE,
    COUNTERSINK,
    DIAMETER,
    PITCH_CIRCLE,
    SPOTFACE,
    THICKNESS,
)

_PREFIXES: tuple[tuple[Pattern[str], Kind], ...] = (
    (re.compile(r"S ?⌀"), "spherical_diameter"),
    (re.compile(r"SR(?= ?[0-9.(])"), "spherical_radius"),
    (re.compile(r"⌀"), "diameter"),
    (re.compile(rf"(?:{DIAMETER.pattern})(?= ?[0-9.(])", re.IGNORECASE), "diameter"),
    (re.compile(r"R(?= ?[0-9.(])|CR(?= ?(?:[0-9]{1,3}(?![0-9])|\.))"), "radius"),
    (re.compile(r"□|SQ\.?(?= ?[0-9.(])"), "square"),
    (re.compile(r"t ?=? ?(?=[0-9.])"), "thickness"),
    (re.compile(rf"(?:{THICKNESS.pattern}) ?[:=]?(?= ?[0-9.])", re.IGNORECASE), "thickness"),
    (re.compile(r"⌒"), "arc_length"),
    (re.compile(r"C(?= ?[0-9.(])"), "chamfer"),
    (re.compile(r"(?:CHAMFER|CHAMF|모따기|FASE)(?: ?C)?(?= ?[0-9.])", re.IGNORECASE), "chamfer"),
)
_STEPS: tuple[tuple[Pattern[str], HoleStep], ...] = (
    (COUNTERBORE, "counterbore"),
    (COUNTERSINK, "countersink"),
    (SPOTFACE, "spotface"),
)
_RATIO = re.compile(r"1 ?[:/] ?([0-9]{1,4}(?:[.,][0-9]{1,3})?)(?![0-9.,:/])")
_TAPER = re.compile(r"(?:⌲|▷|◁|(?:TAPER|CONE|테이퍼|KEGEL))(?![A-Za-z]) ?", re.IGNORECASE)
_SLOPE = re.compile(r"(?:⌳|(?:SLOPE|구배|기울기|NEIGUNG))(?![A-Za-z]) ?", re.IGNORECASE)
_TIMES_ANGLE = re.compile(r"[xX×](?= ?[0-9.]{1,12} ?(?:°|DEG))")
_TIMES = re.compile(r"[xX×]")
_INCH_FRACTION = re.compile(r"((?:[1-9][0-9]?[ -])?[1-9][0-9]?/[1-9][0-9]?) ?\"")
_ANGLE_SIGN = re.compile(r"∠(?= ?[0-9])")
_DIAMETER_SIGN = re.compile(r"⌀")


def take_size(scanner: Scanner) -> Dimension:
    """Take the sign and the nominal size of one callout.

    Returns:
        A dimension without tolerance; ``text`` is left empty.

    Raises:
        NotRead: no size stands here, or one that may mean two things.
    """
    step = _take_step_before(scanner)
    if step is not None:
        size = _take_prefixed(scanner) or _take_plain(scanner)
        kind: Kind = "diameter" if size.kind == "linear" else size.kind
        return replace(size, kind=kind, step=step)
    return (
        _take_ratio(scanner)
        or _take_thread(scanner)
        or _take_pitch_circle(scanner)
        or _take_prefixed(scanner)
        or _take_angle_or_chamfer(scanner)
        or _take_plain(scanner)
    )


def take_step(scanner: Scanner) -> HoleStep | None:
    """Take the sign or word of a counterbore, countersink or spotface."""
    for pattern, step in _STEPS:
        if scanner.take(pattern):
            return step
    return None


def _take_step_before(scanner: Scanner) -> HoleStep | None:
    """Take a step's sign, or its word where a diameter follows."""
    step = take_step(scanner)
    is_sign = scanner.text[scanner.at - 1 : scanner.at] in ("⌴", "⌵")
    if step is not None and not is_sign and not scanner.next_is("⌀"):
        raise NotRead(f"a {step} without a diameter")
    return step


def take_times_angle(scanner: Scanner) -> Number | None:
    """Take ``×45°`` behind a leg or diameter."""
    if scanner.take(_TIMES_ANGLE) is None:
        return None
    return take_angle(scanner)


def take_nominal(scanner: Scanner) -> tuple[Number, bool]:
    """Take a number, and whether it stands in parentheses of its own as in ``R(5)``."""
    in_parentheses = scanner.take_sign("(") is not None
    number = scanner.number()
    if number is None:
        raise NotRead("no number where the size should stand")
    if in_parentheses and scanner.take_sign(")") is None:
        raise NotRead("a parenthesis is not closed")
    return number, in_parentheses


def _take_ratio(scanner: Scanner) -> Dimension | None:
    kind: Kind | None = (
        "taper" if scanner.take(_TAPER) else "slope" if scanner.take(_SLOPE) else None
    )
    if kind is None:
        return None
    found = scanner.take(_RATIO)
    denominator = float(found[1].replace(",", ".")) if found else 0.0
    if found is None or not denominator:
        raise NotRead(f"a {kind} without a ratio such as 1:5")
    return Dimension("", kind, Number(scanner.printed(found), 1 / denominator), "ratio")


def _take_thread(scanner: Scanner) -> Dimension | None:
    thread = take_thread(scanner)
    if thread is None:
        return None
    unit: LengthUnit | None = "mm" if thread.system in ("M", "Tr") else "in"
    if thread.is_numbered:
        unit = None
    return Dimension("", "thread", thread.size, unit, thread=thread)


def _take_pitch_circle(scanner: Scanner) -> Dimension | None:
    if scanner.take(PITCH_CIRCLE) is None:
        return None
    scanner.take(_DIAMETER_SIGN)
    number, is_reference = take_nominal(scanner)
    return Dimension("", "pitch_circle", number, is_reference=is_reference)


def _take_prefixed(scanner: Scanner) -> Dimension | None:
    for pattern, kind in _PREFIXES:
        found = scanner.take(pattern)
        if found is None:
            continue
        fraction = scanner.take(_INCH_FRACTION)
        if fraction is not None:
            return Dimension("", kind, Number(fraction[1], inches(fraction[1])), "in")
        number, is_reference = take_nominal(scanner)
        size = Dimension("", kind, number, is_reference=is_reference)
        if found[0].startswith("CR"):
            size = replace(size, notes=("CR",))
        return replace(size, chamfer_angle=Number("", 45.0)) if kind == "chamfer" else size
    return None


def _take_angle_or_chamfer(scanner: Scanner) -> Dimension | None:
    """Take ``45°``, or a chamfer printed angle first as in ``45°×1``."""
    has_sign = scanner.take(_ANGLE_SIGN) is not None
    angle = take_angle(scanner)
    if angle is None:
        if has_sign:
            raise NotRead("∠ with a number that is no angle")
        return None
    if scanner.take(_TIMES) is None:
        return Dimension("", "angle", angle, "deg")
    leg = scanner.number()
    if leg is None:
        raise NotRead("no leg behind the angle of a chamfer")
    return Dimension("", "chamfer", leg, chamfer_angle=angle)


def _take_plain(scanner: Scanner) -> Dimension:
    fraction = scanner.take(_INCH_FRACTION)
    if fraction is not None:
        return Dimension("", "linear", Number(fraction[1], inches(fraction[1])), "in")
    number, is_reference = take_nominal(scanner)
    return Dimension("", "linear", number, is_reference=is_reference)
