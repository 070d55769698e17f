"""Reads surface texture: roughness parameters and the values at the symbol."""

import re
from dataclasses import replace
from typing import Literal

from services.drawings.grammar.readings import Number, SurfaceTexture
from services.drawings.grammar.scanner import NotRead, Scanner

_PARAMETER = re.compile(
    r"(?P<name>R(?:a|z|q|t|p|v|y|k|pk|vk|sk|ku|Sm|max)|RA|RZ|Wa|Wz|Wt|Pa|Pz|Pt|Sa|Sz|Sq)"
    r"(?P<max>max)?(?= ?[0-9.]| ?max)"
)
_BEGINS = re.compile(rf"\s*[√▽]|(?:[UL] )?{_PARAMETER.pattern}|[(] ?√|[0-9.,]{{1,6}} ?[√▽]")
_SIGN = re.compile(r"(?P<barred>√ ?[̅‾])|(?P<plain>√)|(?P<triangles>▽{1,4})")
_SIDE = re.compile(r"([UL]) (?=R|W|P|S)")
_MAX = re.compile(r"(?:MAX|max)(?![A-Za-z])\.?")
_UNIT = re.compile(r"(?:µm|um)(?![A-Za-z])|(?:µin|uin|µ\")(?![A-Za-z])")
_GRADE = re.compile(r"N(?:1[0-2]|[1-9])(?![0-9A-Za-z])")
_RANGE = re.compile(r"[~/]")
_BREAK = re.compile(r" *\n *")
_MAX_VALUE = 10000.0


def begins_surface(text: str) -> bool:
    """Whether a text in one spelling begins with a roughness parameter or the symbol."""
    return _BEGINS.match(text) is not None


def read_surface(source: str) -> SurfaceTexture:
    """Read a requirement on roughness such as ``Ra 1.6``, ``√Rz 6.3`` or two limits.

    A bare number is roughness only at the symbol (``√3.2``), a grade number likewise (``√N7``).

    Raises:
        NotRead: it is none, or not for sure.
    """
    scanner = Scanner(source)
    has_sign = scanner.take(_SIGN) is not None
    first = _take_requirement(scanner, has_sign=has_sign)
    if scanner.take(_BREAK):
        second = _take_requirement(scanner, has_sign=has_sign)
        first = _two_limits(first, second)
    scanner.take(_SIGN)
    if not scanner.is_at_end:
        raise NotRead(f"{scanner.rest!r} is not understood")
    return replace(first, text=source)


def _take_requirement(scanner: Scanner, *, has_sign: bool) -> SurfaceTexture:
    side = scanner.take(_SIDE)
    parameter = scanner.take(_PARAMETER)
    if parameter is None:
        return _take_at_symbol(scanner, has_sign=has_sign)
    is_max = parameter["max"] is not None or scanner.take(_MAX) is not None
    value = _take_value(scanner)
    upper, lower = value, None
    if scanner.take(_RANGE):
        lower, upper = sorted((value, _take_value(scanner)), key=lambda each: each.value)
    unit = _take_unit(scanner)
    is_max = is_max or scanner.take(_MAX) is not None
    name = parameter["name"]
    texture = SurfaceTexture(
        text="", parameter=name[0] + name[1:].lower() if name.isupper() else name,
        value=upper, lower=lower, unit=unit, is_max=is_max,
    )  # fmt: skip
    if side is not None and side[1] == "L":
        return replace(texture, value=None, lower=upper)
    return texture


def _take_at_symbol(scanner: Scanner, *, has_sign: bool) -> SurfaceTexture:
    """Take a value or grade that is roughness only because the symbol stands beside it."""
    grade = scanner.take(_GRADE)
    value = None if grade else scanner.number()
    has_sign = has_sign or scanner.take(_SIGN) is not None
    if not has_sign or (grade is None and (value is None or not 0 < value.value < _MAX_VALUE)):
        raise NotRead("a number without a roughness parameter or symbol")
    return SurfaceTexture(text="", value=value, grade=grade[0] if grade else None)


def _take_value(scanner: Scanner) -> Number:
    value = scanner.number()
    if value is None or not 0 < value.value < _MAX_VALUE:
        raise NotRead("a roughness parameter without a value")
    return value


def _take_unit(scanner: Scanner) -> Literal["µm", "µin"] | None:
    found = scanner.take(_UNIT)
    if found is None:
        return None
    return "µm" if found[0].endswith("m") else "µin"


def _two_limits(first: SurfaceTexture, second: SurfaceTexture) -> SurfaceTexture:
    """Join two lines; ISO 1302: the upper limit stands above, U and L may say so."""
    if first.parameter is None or second.parameter != first.parameter:
        raise NotRead("two roughness values of different kinds")
    lower = second.lower or second.value
    upper = first.value
    if upper is None or lower is None or first.lower or upper.value <= lower.value:
        raise NotRead("two roughness limits, the lower one above")
    return replace(first, lower=lower)
