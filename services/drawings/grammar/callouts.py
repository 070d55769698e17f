"""Reads a dimension callout: count, size, tolerance and what else stands beside them."""

import re
from dataclasses import replace

from services.drawings.grammar.deviations import plain_amount, take_deviation
from services.drawings.grammar.plausible import checked
from services.drawings.grammar.readings import Dimension, Number
from services.drawings.grammar.scanner import NotRead, Scanner
from services.drawings.grammar.sizes import take_size
from services.drawings.grammar.suffixes import MODIFIER, RULES
from services.drawings.grammar.words import COUNTERBORE, COUNTERSINK, SPOTFACE

_SIZE_SIGN = (
    r"(?:[⌀□⌴⌵(]|S ?⌀|[SC]?R ?[0-9.(]|M ?[0-9]|C ?[0-9.]|(?:G|Rp|Rc|PT|PF|Tr|TR|NPT) ?[0-9]"
    r"|P\.?C\.?D|t ?[0-9])"
)
_COUNT_TIMES = re.compile(
    rf"([1-9][0-9]{{0,2}}) ?[xX×]\s?(?={_SIZE_SIGN}|[0-9.,]{{1,9}} ?[xX×] ?[0-9.,]{{1,9}} ?°)"
)
_COUNT_HYPHEN = re.compile(rf"([1-9][0-9]{{0,2}}) ?- ?(?={_SIZE_SIGN})")
# ASME Y14.5: no space between the number and X, one behind it.
_COUNT_SPACED = re.compile(r"([2-9]|[1-9][0-9]{1,2})[xX×] +(?=[0-9.#])")
_ANGLE_NEXT = re.compile(r"[0-9.,]{1,12} ?°")
_BREAK = re.compile(r" *\n\s*")
_TIMES = re.compile(r"[xX×]")
_STEP_WORDS = f"(?:{COUNTERBORE.pattern}|{COUNTERSINK.pattern}|{SPOTFACE.pattern})"
# "⌴⌀11", "C'BORE ⌀11", or the size first as in "⌀11 자리파기".
_NEXT_STEP = re.compile(
    rf"[\s,]*(?:[⌴⌵] ?[⌀0-9.]|{_STEP_WORDS} ?⌀|⌀ ?[0-9.,]{{1,9}} ?{_STEP_WORDS})", re.IGNORECASE
)
_NEXT_THREAD = re.compile(r"\s*[\n,/]\s*(?:M ?[0-9]|[0-9#][0-9#/ .-]{0,7} ?UN)")
_BETWEEN_STEPS = re.compile(r"[\s,/]*")
_SPACE = re.compile(r"(?<=[ \n])|\n")


def read_dimension(source: str) -> Dimension:
    """Read a whole callout as a dimension.

    Raises:
        NotRead: it is none, or not for sure.
    """
    scanner = Scanner(source)
    first = checked(_take_first(scanner))
    steps = []
    while not scanner.is_at_end:
        scanner.take(_BETWEEN_STEPS)
        begin = scanner.at
        step = checked(_take_suffixes(scanner, take_size(scanner)))
        steps.append(replace(step, text=scanner.printed_from(begin)))
    return replace(first, text=source, steps=tuple(steps))


def _take_first(scanner: Scanner) -> Dimension:
    raised = _take_raised_deviation(scanner)
    count = _take_count(scanner)
    in_parentheses = scanner.take_sign("(") is not None
    dimension = replace(take_size(scanner), count=count)
    if raised is not None:
        dimension = _with_raised(scanner, dimension, raised)
    if not in_parentheses:
        return _take_suffixes(scanner, dimension)
    dimension = _take_suffixes(scanner, dimension, is_inside=True)
    if scanner.take_sign(")") is None or dimension.is_reference:
        raise NotRead("a parenthesis is not closed, or there are two")
    return _take_suffixes(scanner, replace(dimension, is_reference=True))


def _take_count(scanner: Scanner) -> int | None:
    for pattern in (_COUNT_TIMES, _COUNT_HYPHEN, _COUNT_SPACED):
        found = scanner.take(pattern)
        if found is None:
            continue
        if pattern is _COUNT_SPACED and scanner.peek(_ANGLE_NEXT):
            raise NotRead("a count of angles or a chamfer")
        return int(found[1])
    return None


def _take_raised_deviation(scanner: Scanner) -> Number | None:
    """Take an upper deviation that was read before its size because it stands higher."""
    found = take_deviation(scanner, plain_amount)
    if found is not None and not scanner.peek(_SPACE):
        raise NotRead("begins with a deviation")
    scanner.take(_BREAK)
    return found


def _with_raised(scanner: Scanner, dimension: Dimension, upper: Number) -> Dimension:
    scanner.take(_BREAK)
    lower = take_deviation(scanner, plain_amount)
    if lower is None or lower.value >= upper.value or dimension.kind == "angle":
        raise NotRead("a deviation before the size, and none below it behind")
    return replace(dimension, upper=upper, lower=lower)


def _take_suffixes(scanner: Scanner, dimension: Dimension, *, is_inside: bool = False) -> Dimension:
    """Take all that stands behind the size, in any order.

    Up to the end, to the next line of a hole callout, or to the closing parenthesis.
    """
    while not scanner.is_at_end and not _is_next_step(scanner, dimension):
        if is_inside and scanner.next_is(")"):
            break
        is_group = not is_inside and not scanner.peek(MODIFIER)
        if is_group and scanner.take_sign("("):
            dimension = _take_suffixes(scanner, dimension, is_inside=True)
            if scanner.take_sign(")") is None:
                raise NotRead("a parenthesis is not closed")
            continue
        dimension = _take_suffix(scanner, dimension)
    return dimension


def _take_suffix(scanner: Scanner, dimension: Dimension) -> Dimension:
    start = scanner.at
    for rule in RULES:
        found = rule(scanner, dimension)
        if found is not None:
            return found
        scanner.at = start
    if scanner.take(_BREAK):
        return dimension
    if scanner.peek(_TIMES):
        raise NotRead("a count or two sizes")
    raise NotRead(f"{scanner.rest!r} is not understood")


def _is_next_step(scanner: Scanner, dimension: Dimension) -> bool:
    if scanner.peek(_NEXT_STEP):
        return True
    is_hole = dimension.kind == "diameter" and bool(dimension.depth or dimension.is_through)
    return is_hole and scanner.peek(_NEXT_THREAD) is not None
