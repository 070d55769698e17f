"""Reads datum letters in their frames and datum targets."""

import re

from services.drawings.grammar.readings import Datum, Number
from services.drawings.grammar.scanner import NotRead, Scanner

_LETTER = "[A-HJ-NPR-Z]"  # ISO 5459: not I, O, Q
_FRAMED = re.compile(rf"(?:\[ ?({_LETTER}) ?\]|- ?({_LETTER}) ?-)\s*$")
_BARE = re.compile(rf"({_LETTER})\s*$")
# A3 is no tolerance class: ISO 286 has A and B from grade 8 on. With other letters the second part
# may be a class (H7), a chamfer (C1) or a thread (M10).
_TARGET = re.compile(r"⌀ ?(?=[0-9])[0-9.,]{1,8} *[/\n] *([AB])([1-7])\s*$")
_TARGET_ON_LINE = re.compile(r"⌀ ?[0-9.,]{1,8} ([AB])([1-7])\s*$")
_DIAMETER = re.compile(r"⌀")


def read_datum(source: str, *, is_framed: bool) -> Datum | None:
    r"""Read a datum letter or target; None if the text is neither.

    A bare letter is a datum only if a frame is drawn around it: it may as well name a view, a
    section or a zone of the sheet.

    Args:
        source: ``"[A]"``, ``"-A-"``, ``"A"`` with ``is_framed``, or a datum target with
            its area, ``"⌀10\nA1"`` or ``"⌀10/A1"``.
        is_framed: a rectangle is drawn around the text.

    Raises:
        NotRead: a letter without a frame.
    """
    scanner = Scanner(source)
    letter = scanner.peek(_FRAMED)
    if letter is not None:
        return Datum(source, letter[1] or letter[2])
    bare = scanner.peek(_BARE)
    if bare is not None:
        if not is_framed:
            raise NotRead("a letter alone: a datum, a view, a section or a zone of the sheet")
        return Datum(source, bare[1])
    target = scanner.peek(_TARGET) or scanner.peek(_TARGET_ON_LINE)
    return _target(source, scanner, target) if target else None


def _target(source: str, scanner: Scanner, target: re.Match[str]) -> Datum:
    scanner.take(_DIAMETER)
    size: Number | None = scanner.number()
    return Datum(source, target[1], int(target[2]), size)
