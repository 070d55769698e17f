"""Reads the statement of a sheet's general tolerances."""

import re

from services.drawings.grammar.angles import take_angular_amount
from services.drawings.grammar.characters import MAX_CHARACTERS, spell
from services.drawings.grammar.deviations import plain_amount, take_deviations
from services.drawings.grammar.readings import Number
from services.drawings.grammar.scanner import NotRead, Scanner
from services.drawings.grammar.sheet import GeneralTolerance

# The class stands behind the standard's number: "ISO 2768-mK", "ISO 2768-1:1989 m". Its letters are
# told apart by what they are, so capitals of a CAD font ("MK") mean the same.
_CLASS = (
    r"(?::[0-9]{4})?[ (:,.-]{0,3}(?:(?:T|Teil |Part )?[12](?::[0-9]{4})?)?[ (:,.-]{0,3}"
    r"(?P<linear>sehr grob|fein|fine|mittel|medium|grob|coarse|sg|[fmcvgFMCVG])?[ -]?"
    r"(?P<geometrical>[HKLhkl])?(?:-E)?(?![A-Za-z0-9])"
)
_CLASS_OF_WORD = {
    "fein": "f", "fine": "f", "mittel": "m", "medium": "m", "coarse": "c", "sehr grob": "sg",
}  # fmt: skip
_STANDARDS: tuple[tuple[str, str], ...] = (
    (r"KS ?B ?ISO ?2768", "KS B ISO 2768"),
    (r"(?:DIN ?EN|DIN) ?ISO ?2768", "DIN ISO 2768"),
    (r"DIN ?7168", "DIN 7168"),
    (r"ISO ?2768", "ISO 2768"),
    (r"KS ?B ?0412", "KS B 0412"),
    (r"KS ?B ?0401", "KS B 0401"),
    (r"JIS ?B ?0405", "JIS B 0405"),
    (r"(?:DIN )?EN ?22768", "EN 22768"),
    (r"ISO ?8015", "ISO 8015"),
    (r"ISO ?22081", "ISO 22081"),
    (r"ISO ?13920", "ISO 13920"),
    (r"ISO ?8062", "ISO 8062"),
)
_PATTERNS = tuple((re.compile(pattern + _CLASS), name) for pattern, name in _STANDARDS)
_OF_ISO_2768 = {
    "ISO 2768", "KS B ISO 2768", "DIN ISO 2768", "KS B 0412", "JIS B 0405", "EN 22768",
}  # fmt: skip
_BY_DECIMALS = re.compile(
    r"(?<![0-9A-Za-z.])[Xx0]?[.,](?P<places>[Xx]{1,4}|0{1,4})(?![0-9Xx]) ?[:=]? ?(?=±)"
)
_LINEAR = re.compile(r"(?:LINEAR|LÄNGEN?|길이|치수) ?[:=]? ?(?=[±+0-9])", re.IGNORECASE)
_ANGULAR = re.compile(r"(?:ANGULAR|ANGLES?|WINKEL|각도|∠) ?[:=]? ?(?=[±+0-9])", re.IGNORECASE)
_BARE = re.compile(r"(?=[±+])")
_MILLIMETRES = re.compile(r"mm")


def read_general_tolerance(text: str) -> GeneralTolerance | None:
    """Read a statement such as ``ISO 2768-mK``, ``±0.1`` or ``.XX ±0.05``.

    Args:
        text: the value of the field of the title block, or a line of notes.

    Returns:
        What it says, or None if it says nothing that is understood.
    """
    if len(text) > MAX_CHARACTERS:
        return None
    spelled = spell(text).text
    standard, linear_class, geometrical_class = _standard(spelled)
    by_decimals = _by_decimals(text)
    linear = _pair(text, _LINEAR) or (None if by_decimals or standard else _pair_alone(text))
    angular = _angular(text)
    if not (standard or linear or angular or by_decimals):
        return None
    return GeneralTolerance(
        text=text,
        standard=standard,
        linear_class=linear_class,
        geometrical_class=geometrical_class,
        upper=linear[0] if linear else None,
        lower=linear[1] if linear else None,
        angular=angular,
        by_decimals=by_decimals,
    )


def _standard(spelled: str) -> tuple[str | None, str | None, str | None]:
    """The first standard named, with the classes that it has."""
    for pattern, name in _PATTERNS:
        matches = list(pattern.finditer(spelled))
        if matches:  # "ISO 2768-1-m, ISO 2768-2-K" names each class on its own
            linear = {_linear_class(name, found["linear"]) for found in matches} - {None}
            geometrical = {(found["geometrical"] or "").upper() for found in matches} - {""}
            has_zones = name in _OF_ISO_2768
            return name, _only(linear), _only(geometrical) if has_zones else None
    return None, None, None


def _only(letters: set[str | None] | set[str]) -> str | None:
    """The one class named; None if there is none, or another beside it."""
    return next(iter(letters)) if len(letters) == 1 else None


def _linear_class(standard: str, printed: str | None) -> str | None:
    """The class's letter, if the standard has it."""
    if printed is None:
        return None
    if printed == "grob":
        letter = "g" if standard == "DIN 7168" else "c"
    else:
        letter = _CLASS_OF_WORD.get(printed, printed.lower())
    allowed = ("f", "m", "g", "sg") if standard == "DIN 7168" else ("f", "m", "c", "v")
    return letter if letter in allowed and standard in {*_OF_ISO_2768, "DIN 7168"} else None


def _by_decimals(text: str) -> tuple[tuple[int, Number], ...]:
    scanner = Scanner(text)
    found = []
    for match in _BY_DECIMALS.finditer(scanner.text):
        scanner.at = match.end()
        try:
            pair = take_deviations(scanner, plain_amount)
        except NotRead:
            continue
        if pair is not None:
            found.append((len(match["places"]), pair.upper))
    return tuple(found)


def _pair(text: str, label: re.Pattern[str]) -> tuple[Number, Number] | None:
    scanner = Scanner(text)
    match = label.search(scanner.text)
    if match is None:
        return None
    scanner.at = match.end()
    try:
        pair = take_deviations(scanner, plain_amount)
    except NotRead:
        return None
    return (pair.upper, pair.lower) if pair else None


def _pair_alone(text: str) -> tuple[Number, Number] | None:
    """Deviations that are all the text says."""
    scanner = Scanner(text)
    try:
        pair = take_deviations(scanner, plain_amount) if scanner.peek(_BARE) else None
    except NotRead:
        return None
    scanner.take(_MILLIMETRES)
    return (pair.upper, pair.lower) if pair and scanner.is_at_end else None


def _angular(text: str) -> Number | None:
    scanner = Scanner(text)
    match = _ANGULAR.search(scanner.text)
    if match is None:
        return None
    scanner.at = match.end()
    try:
        pair = take_deviations(scanner, take_angular_amount)
    except NotRead:
        return None
    return pair.upper if pair and pair.upper.value == -pair.lower.value else None
