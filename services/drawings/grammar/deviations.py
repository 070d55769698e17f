"""Limit deviations printed behind a size, and tolerance classes of ISO 286."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from services.drawings.grammar.readings import Fit, Number, ToleranceClass
from services.drawings.grammar.scanner import NotRead, Scanner

Amount = Callable[[Scanner], Number | None]

_BETWEEN = re.compile(r" *(?:/ *\n?|\n) *")
_ZERO = re.compile(r"0(?:[.,]0*)?(?![0-9.,])")
_BREAK = re.compile(r" *\n *")
_HOLE = re.compile(r"(?:ZA|ZB|ZC|CD|EF|FG|JS|[A-HJKMNPR-VX-Z])(?:01|1[0-8]|[0-9])(?![0-9A-Za-z])")
_SHAFT = re.compile(r"(?:za|zb|zc|cd|ef|fg|js|[a-hjkmnpr-vx-z])(?:01|1[0-8]|[0-9])(?![0-9A-Za-z])")


@dataclass(frozen=True)
class Deviations:
    """The limit deviations from a nominal size, upper at least lower."""

    upper: Number
    lower: Number


def plain_amount(scanner: Scanner) -> Number | None:
    """The size of a deviation of a length: an unsigned number."""
    return scanner.number()


def take_deviations(scanner: Scanner, amount: Amount) -> Deviations | None:
    """Take ``±t``, ``+u -l``, ``+u/0`` and their stacked forms, on this line or the next.

    Raises:
        NotRead: one deviation alone, or two that are equal.
    """
    start = scanner.at
    scanner.take(_BREAK)
    if scanner.take_sign("±"):
        return _symmetrical(scanner, amount)
    first = take_deviation(scanner, amount)
    if first is None:
        scanner.at = start
        return None
    scanner.take(_BETWEEN)
    second = take_deviation(scanner, amount)
    if second is None:
        if not first.value:
            scanner.at = start
            return None
        raise NotRead("one deviation alone, or a range")
    if first.value == second.value:
        raise NotRead("the deviations are equal")
    return Deviations(*sorted((first, second), key=lambda each: each.value, reverse=True))


def take_deviation(scanner: Scanner, amount: Amount) -> Number | None:
    """Take one signed deviation, or a zero, which may lack its sign."""
    start = scanner.at
    begin = scanner.first_after_blanks()
    sign = scanner.take_sign("+-±")
    size = amount(scanner) if sign or scanner.peek(_ZERO) else None
    if size is None or (sign == "±" and size.value):
        scanner.at = start
        return None
    is_below = sign == "-" and size.value > 0
    return Number(scanner.printed_from(begin), -size.value if is_below else size.value)


def take_fit(scanner: Scanner) -> Fit | None:
    """Take a tolerance class such as H7, or a fit such as H7/g6."""
    start = scanner.at
    scanner.take(_BREAK)
    begin = scanner.first_after_blanks()
    first = scanner.take(_HOLE)
    if first is None:
        shaft = scanner.take(_SHAFT)
        if shaft is None:
            scanner.at = start
            return None
        return Fit(shaft[0], shaft=ToleranceClass(shaft[0]))
    behind = scanner.at
    scanner.take(_BETWEEN)
    second = scanner.take(_SHAFT)
    if second is None:
        scanner.at = behind
        return Fit(first[0], hole=ToleranceClass(first[0]))
    text = scanner.printed_from(begin)
    return Fit(text, ToleranceClass(first[0]), ToleranceClass(second[0]))


def _symmetrical(scanner: Scanner, amount: Amount) -> Deviations:
    size = amount(scanner)
    if size is None:
        raise NotRead("± without a number")
    if not size.value:
        raise NotRead("a deviation of ±0")
    text = f"±{size.text}"
    return Deviations(Number(text, size.value), Number(text, -size.value))
