"""Walks over the characters of one callout, rule by rule, and reads numbers."""

import re
from re import Match, Pattern

from services.drawings.grammar.characters import Spelling, spell
from services.drawings.grammar.readings import Number

MAX_INTEGER_DIGITS = 5
MAX_DECIMALS = 6

_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*|\.[0-9]+")
_GROUPED = re.compile(r"[1-9][0-9]{0,2}(?:(?:,[0-9]{3})+(?:\.[0-9]+)?|(?:\.[0-9]{3})+,[0-9]+)")
_MAYBE_GROUPED = re.compile(r"[1-9][0-9]{0,2},[0-9]{3}")


class NotRead(Exception):
    """A text cannot be read for sure; the message is one sentence for the user."""


class Scanner:
    """A position in a text, moved on by what was recognised.

    Patterns are matched at the position, after blanks; they hold no nested repetition, so that
    reading takes a number of steps that is bounded by the length of the text.
    """

    def __init__(self, source: str) -> None:
        """Start at the first character of ``source``."""
        self.spelling: Spelling = spell(source.strip())
        self.text = self.spelling.text
        self.at = 0
        self._comma_is_decimal = _comma_is_decimal(self.text)

    @property
    def is_at_end(self) -> bool:
        """Whether nothing but blanks and line breaks is left."""
        return not self.text[self.at :].strip()

    @property
    def rest(self) -> str:
        """What is left, as printed, shortened for a message."""
        return self.spelling.printed(self.at, len(self.text))[:24]

    def first_after_blanks(self) -> int:
        """Where the next character stands that is no blank."""
        at = self.at
        while at < len(self.text) and self.text[at] == " ":
            at += 1
        return at

    def peek(self, pattern: Pattern[str]) -> Match[str] | None:
        """Match after blanks without moving on."""
        return pattern.match(self.text, self.first_after_blanks())

    def take(self, pattern: Pattern[str]) -> Match[str] | None:
        """Match after blanks and move behind what matched."""
        found = self.peek(pattern)
        if found is not None:
            self.at = found.end()
        return found

    def next_is(self, character: str) -> bool:
        """Whether the next character that is no blank is this one."""
        return self.text.startswith(character, self.first_after_blanks())

    def take_sign(self, signs: str) -> str | None:
        """Take one of the characters, after blanks."""
        at = self.first_after_blanks()
        if at < len(self.text) and self.text[at] in signs:
            self.at = at + 1
            return self.text[at]
        return None

    def printed(self, found: Match[str]) -> str:
        """What was given where the pattern matched."""
        return self.spelling.printed(found.start(), found.end())

    def printed_from(self, start: int) -> str:
        """What was given from ``start`` to the position."""
        return self.spelling.printed(start, self.at)

    def number(self) -> Number | None:
        """Take an unsigned number.

        Raises:
            NotRead: digits that are no number, or that may mean two.
        """
        found = self.take(_NUMBER)
        if found is None:
            return None
        return Number(self.printed(found), self._value(found[0]))

    def _value(self, digits: str) -> float:
        if _GROUPED.fullmatch(digits):
            return self._grouped_value(digits)
        whole, _, decimals = digits.replace(",", ".").partition(".")
        if "." in decimals:
            raise NotRead(f"{digits[:24]!r} is no number")
        if len(whole) > 1 and whole.startswith("0"):
            raise NotRead(f"{digits[:24]!r} begins with a zero: a number of another kind")
        if len(whole) > MAX_INTEGER_DIGITS or len(decimals) > MAX_DECIMALS:
            raise NotRead(f"{digits[:24]!r} has more digits than a size")
        return float(f"{whole or '0'}.{decimals or '0'}")

    def _grouped_value(self, digits: str) -> float:
        """Of a number with a comma before three digits: thousands, or decimals."""
        if _MAYBE_GROUPED.fullmatch(digits):
            if self._comma_is_decimal is None:
                raise NotRead(f"{digits!r}: the comma may part thousands or decimals")
            if self._comma_is_decimal:
                return float(digits.replace(",", "."))
        decimal_mark = "," if digits.rfind(",") > digits.rfind(".") >= 0 else "."
        group_mark = "." if decimal_mark == "," else ","
        plain = digits.replace(group_mark, "").replace(",", ".")
        if len(plain.partition(".")[0]) > MAX_INTEGER_DIGITS:
            raise NotRead(f"{digits[:24]!r} has more digits than a size")
        return float(plain)


def _comma_is_decimal(text: str) -> bool | None:
    """What the numbers of a callout say about their comma; None if they say nothing."""
    for digits in _NUMBER.findall(text):
        if _MAYBE_GROUPED.fullmatch(digits):
            continue
        if "." in digits:
            return False
        if "," in digits:
            return True
    return None
