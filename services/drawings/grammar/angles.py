"""Angles in degrees, minutes and seconds."""

import re

from services.drawings.grammar.readings import Number
from services.drawings.grammar.scanner import NotRead, Scanner

_DEGREE = re.compile(r"°(?![A-Za-z])|(?:DEG|deg|Deg)\b\.?")
_MINUTES = re.compile(r"([0-9]{1,2}(?:[.,][0-9]{1,4})?) ?'(?!')")
_SECONDS = re.compile(r"([0-9]{1,2}(?:[.,][0-9]{1,4})?) ?(?:\"|'')")


def take_angle(scanner: Scanner) -> Number | None:
    """Take an angle such as ``45°`` or ``30°15'``; without the degree sign there is none."""
    start = scanner.at
    degrees = scanner.number()
    if degrees is None or scanner.take(_DEGREE) is None:
        scanner.at = start
        return None
    minutes, seconds = _take_parts(scanner)
    if (minutes or seconds) and not degrees.value.is_integer():
        raise NotRead("a fraction of a degree beside minutes")
    value = degrees.value + minutes / 60 + seconds / 3600
    return Number(scanner.printed_from(start), value)


def take_angular_amount(scanner: Scanner) -> Number | None:
    """Take the size of an angular deviation: with degrees, minutes or seconds, or a bare zero.

    Raises:
        NotRead: a number other than zero without a unit.
    """
    angle = take_angle(scanner)
    if angle is not None:
        return angle
    start = scanner.at
    minutes, seconds = _take_parts(scanner)
    if scanner.at != start:
        return Number(scanner.printed_from(start), minutes / 60 + seconds / 3600)
    number = scanner.number()
    if number is not None and number.value:
        raise NotRead("a deviation of an angle without a unit")
    return number


def _take_parts(scanner: Scanner) -> tuple[float, float]:
    """Take minutes and seconds; each 0 if absent."""
    values = []
    for pattern in (_MINUTES, _SECONDS):
        found = scanner.take(pattern)
        value = float(found[1].replace(",", ".")) if found else 0.0
        if value >= 60:
            raise NotRead("minutes and seconds of an angle lie below 60")
        values.append(value)
    return values[0], values[1]
