"""Reads tolerance frames of ISO 1101 (ASME Y14.5: feature control frames)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.drawings.grammar.characters import (
    CHARACTERISTIC_NAMES,
    CHARACTERISTIC_SIGNS,
    MAX_CHARACTERS,
)
from services.drawings.grammar.readings import (
    DatumReference,
    FeatureControlFrame,
    Number,
    Unread,
    Zone,
)
from services.drawings.grammar.scanner import NotRead, Scanner

MAX_ROWS = 8
MAX_DATUMS = 3
_MOST_WITHOUT_COMPARTMENTS = 5.0  # mm; an arrow or a circle before a larger number is no sign

_SIGNS = "".join(CHARACTERISTIC_NAMES)
_COUNT = re.compile(r"([1-9][0-9]{0,2}) ?[xX×] ?(?=\D)")
_SIGN = re.compile(f"[{_SIGNS}]")
_BEGINS = re.compile(rf"(?:\[ ?)?(?:[1-9][0-9]{{0,2}} ?[xX×] ?)?(?:\[ ?)?[{_SIGNS}|]")
_CIRCLED = "ⒶⒸⒺⒻⒼⒾⓁⓂⓃⓅⓇⓈⓉⓊⓍ"
_LETTER_OF_CIRCLE = {chr(ord("A") + ord(sign) - ord("Ⓐ")): sign for sign in _CIRCLED}
_MODIFIER = re.compile(rf"[{_CIRCLED}]|\(([ACEFGILMNPRSTUX])\)")
_WORD = re.compile(r"(?:CZR|CZ|SZ|UZ|OZ|VA|SIM|ACS|ALS|LD|MD|PD|NC|LE|TP|SEP REQT)(?![A-Za-z])")
_BARE_MODIFIER = re.compile(r"(?<=[ 0-9A-Z])[LMP](?![A-Za-z])")
_PER = re.compile(r"/ ?((?:⌀ ?)?[0-9]+(?:[.,][0-9]+)?(?: ?[xX×] ?[0-9]+(?:[.,][0-9]+)?)?)")
_DATUM = re.compile(r"([A-HJ-NPR-Z])\1?(?![A-Za-z0-9])")
_ZONES: tuple[tuple[re.Pattern[str], Zone], ...] = (
    (re.compile(r"S ?⌀"), "spherical_diameter"),
    (re.compile(r"⌀"), "diameter"),
)

_FORM = {"straightness", "flatness", "circularity", "cylindricity"}
_PROFILE = {"line profile", "surface profile"}
_RUN_OUT = {"circular run-out", "total run-out"}
_MAY_LACK_DATUM = {*_FORM, *_PROFILE, "position"}
_ONLY_WIDTH = {"flatness", "circularity", "cylindricity", *_PROFILE, *_RUN_OUT}
# Strokes that stand for a sign only where a compartment says that one is due.
_IN_COMPARTMENT = {"//": "∥", "┴": "⟂"}
_DASHES = "-—―─⎯−–‐‑"
_OTHER_TERMS = {
    "roundness": "circularity",
    "coaxiality": "concentricity",
    "profile of a line": "line profile",
    "profile of a surface": "surface profile",
    "run-out": "circular run-out",
    "runout": "circular run-out",
    "circular runout": "circular run-out",
    "total runout": "total run-out",
}


@dataclass(frozen=True)
class _Tolerance:
    """What the second compartment holds."""

    value: Number
    zone: Zone
    modifiers: tuple[str, ...]
    per: str | None
    projected: Number | None


def read_frame(
    cells: Sequence[str], rows: Sequence[Sequence[str]] = ()
) -> FeatureControlFrame | Unread:
    """Read the compartments of a tolerance frame.

    A circle drawn around M, L or P is often lost in the text of a PDF; in a compartment, these
    letters behind a value or a datum (``"0.3CZ M"``, ``"A M"``) can be nothing else and are read
    as Ⓜ, Ⓛ, Ⓟ. A dash is taken for straightness here only.

    Args:
        cells: text of each compartment, left to right. The first holds the sign of the
            characteristic, or its ISO 1101 name (``"position"``) where a detector found the sign.
        rows: the compartments of further rows behind the same sign, top to bottom, where the frame
            is composite (ISO 5458, ASME Y14.5).

    Returns:
        The frame, or ``Unread`` with the reason. Never raises.
    """
    text = "\n".join("|".join(row) for row in (cells, *rows))
    if len(text) > MAX_CHARACTERS:
        return Unread(text, f"longer than {MAX_CHARACTERS} characters: no frame")
    is_dash = bool(cells) and cells[0].strip() in [*_DASHES]
    try:
        if len(rows) >= MAX_ROWS:
            raise NotRead(f"more than {MAX_ROWS} rows")
        first = _read_row(["⏤", *cells[1:]] if is_dash else cells, None)
        further = tuple(replace(_read_row(row, first), text="|".join(row)) for row in rows)
        return replace(first, text=text, rows=further)
    except NotRead as error:
        return Unread(text, str(error))


def begins_frame(text: str) -> bool:
    """Whether a text in one spelling begins with the sign of a characteristic or a compartment."""
    return _BEGINS.match(text) is not None


def read_frame_text(source: str) -> FeatureControlFrame:
    r"""Read a frame given as one text; ``|`` parts compartments, ``"\n"`` rows.

    Raises:
        NotRead: it is none, or not for sure.
    """
    lines = [line for line in source.splitlines() if line.strip()]
    if len(lines) > MAX_ROWS:
        raise NotRead(f"more than {MAX_ROWS} rows")
    rows: list[FeatureControlFrame] = []
    for line in lines:
        above = rows[-1] if rows else None
        stripped = line.strip().removeprefix("[").removesuffix("]")
        if "|" in Scanner(stripped).text:
            cells = Scanner(stripped).text.strip("| ").split("|")
            row = _read_row(cells, above)
        else:
            row = _read_line(Scanner(stripped), above)
        rows.append(replace(row, text=line.strip()))
    return replace(rows[0], text=source, rows=tuple(rows[1:]))


def _read_row(cells: Sequence[str], above: FeatureControlFrame | None) -> FeatureControlFrame:
    filled = [Scanner(cell) for cell in cells]
    while filled and filled[-1].is_at_end:
        filled.pop()
    if not filled or any(each.is_at_end for each in filled):
        raise NotRead("a compartment is empty")
    head = filled[0]
    count = _take_count(head)
    sign = _take_sign_of_compartment(head)
    if sign is None and above is not None and count is None:
        sign = above.symbol
        values = filled
    else:
        values = filled[1:] if head.is_at_end else filled
    if sign is None:
        raise NotRead(f"{cells[0][:24]!r} is no sign of a characteristic")
    if not values:
        raise NotRead("a frame without a value")
    tolerance = _take_tolerance(values[0], in_compartment=True)
    datums = tuple(_take_datum(each, in_compartment=True) for each in values[1:])
    for each in values:
        _require_end(each)
    return _frame(sign, tolerance, datums, count)


def _read_line(scanner: Scanner, above: FeatureControlFrame | None) -> FeatureControlFrame:
    count = _take_count(scanner)
    found = scanner.take(_SIGN)
    if found is None and above is None:
        raise NotRead("a frame without a sign")
    sign = found[0] if found else above.symbol if above else ""
    tolerance = _take_tolerance(scanner, in_compartment=False)
    datums = []
    while not scanner.is_at_end:
        datums.append(_take_datum(scanner, in_compartment=False))
    frame = _frame(sign, tolerance, tuple(datums), count)
    if tolerance.value.value > _MOST_WITHOUT_COMPARTMENTS:
        raise NotRead("a value too large for a tolerance, and no compartments around it")
    has_more = bool(datums or tolerance.modifiers or tolerance.zone != "width")
    if sign == "⌒" and not has_more:
        raise NotRead("⌒ before a number: the length of an arc or the profile of a line")
    if sign == "○" and not (tolerance.value.value < 1 and tolerance.value.decimals):
        raise NotRead("○ before a number: circularity or a mark")
    return frame


def _take_count(scanner: Scanner) -> int | None:
    found = scanner.take(_COUNT)
    return int(found[1]) if found else None


def _take_sign_of_compartment(scanner: Scanner) -> str | None:
    text = scanner.text[scanner.at :].strip()
    sign = _IN_COMPARTMENT.get(text) or CHARACTERISTIC_SIGNS.get(_term(text))
    if sign is not None:
        scanner.at = len(scanner.text)
        return sign
    found = scanner.take(_SIGN)
    return found[0] if found else None


def _term(name: str) -> str:
    """A name of a characteristic in the spelling of ``shared.gdt_signs``."""
    plain = name.strip().lower().replace("_", " ")
    return _OTHER_TERMS.get(plain, plain)


def _take_tolerance(scanner: Scanner, *, in_compartment: bool) -> _Tolerance:
    zone: Zone = "width"
    for pattern, name in _ZONES:
        if scanner.take(pattern):
            zone = name
            break
    value = scanner.number()
    if value is None:
        raise NotRead("no number where the value of the tolerance should stand")
    per = scanner.take(_PER)
    modifiers = list(_take_modifiers(scanner, in_compartment=in_compartment))
    projected = scanner.number() if "Ⓟ" in modifiers else None
    modifiers.extend(_take_modifiers(scanner, in_compartment=in_compartment))
    return _Tolerance(value, zone, tuple(modifiers), per[1] if per else None, projected)


def _take_modifiers(scanner: Scanner, *, in_compartment: bool) -> tuple[str, ...]:
    found: list[str] = []
    while True:
        circled = scanner.take(_MODIFIER)
        if circled is not None:
            found.append(_LETTER_OF_CIRCLE[circled[1]] if circled[1] else circled[0])
            continue
        word = scanner.take(_WORD)
        if word is not None:
            found.append(word[0])
            continue
        bare = scanner.take(_BARE_MODIFIER) if in_compartment else None
        if bare is None:
            return tuple(found)
        found.append(_LETTER_OF_CIRCLE[bare[0]])


def _take_datum(scanner: Scanner, *, in_compartment: bool) -> DatumReference:
    letters = [_take_letter(scanner)]
    while scanner.take_sign("-"):
        letters.append(_take_letter(scanner))
    return DatumReference(tuple(letters), _take_modifiers(scanner, in_compartment=in_compartment))


def _take_letter(scanner: Scanner) -> str:
    found = scanner.take(_DATUM)
    if found is None:
        raise NotRead(f"{scanner.rest!r} is no datum")
    return found[0]


def _require_end(scanner: Scanner) -> None:
    if not scanner.is_at_end:
        raise NotRead(f"{scanner.rest!r} is not understood")


def _frame(
    sign: str, tolerance: _Tolerance, datums: tuple[DatumReference, ...], count: int | None
) -> FeatureControlFrame:
    """Build the frame, if ISO 1101 allows what was read; else a character was misread."""
    name = CHARACTERISTIC_NAMES[sign]
    if datums and name in _FORM:
        raise NotRead(f"{name} takes no datum")
    if not datums and name not in _MAY_LACK_DATUM:
        raise NotRead(f"{name} needs a datum")
    if tolerance.zone != "width" and name in _ONLY_WIDTH:
        raise NotRead(f"the zone of {name} has no diameter")
    letters = [letter for datum in datums for letter in dict.fromkeys(datum.letters)]
    if len(datums) > MAX_DATUMS or len(set(letters)) != len(letters):
        raise NotRead("a datum stands twice, or there are more than three")
    if not tolerance.value.value and not {"Ⓜ", "Ⓛ"} & {*tolerance.modifiers}:
        raise NotRead("a tolerance of zero without Ⓜ or Ⓛ")
    return FeatureControlFrame(
        text="",
        characteristic=name,
        symbol=sign,
        value=tolerance.value,
        zone=tolerance.zone,
        modifiers=tolerance.modifiers,
        per=tolerance.per,
        projected=tolerance.projected,
        datums=datums,
        count=count,
    )
