"""Reads the fields of a title block from lines of text and their places."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.drawings.grammar.characters import MAX_CHARACTERS, spell
from services.drawings.grammar.general_tolerance import read_general_tolerance
from services.drawings.grammar.labels import FIELD_OF_LABEL, LONGEST_LABEL, OTHER_KEYS, label_key
from services.drawings.grammar.layout import join_words, lines_below, neighbours
from services.drawings.grammar.readings import LengthUnit
from services.drawings.grammar.sheet import Field, GeneralTolerance, PlacedText, TitleBlock
from services.drawings.grammar.surfaces import begins_surface

_MAX_TITLE_LINES = 3
_MAX_LABELS_OF_FIELD = 20  # keeps the search linear in the number of lines
_LABEL_WITH_COLON = re.compile(r"\s*([^:]{1,48}?) ?: ?(.*)", re.DOTALL)
_SCALE = re.compile(r"([0-9]{1,4}(?:[.,][0-9]{1,2})?) ?[:/] ?([0-9]{1,4}(?:[.,][0-9]{1,2})?)")
_SHEET = re.compile(r"([0-9]{1,3}) ?(?:/|OF|VON|중|-) ?([0-9]{1,3})", re.IGNORECASE)
_UNIT_OF_SHEET = re.compile(
    r"(?:DIMENSIONS|BEMASSUNGEN|MASSE|MAßE|치수|단위|UNITS?|EINHEIT)\b.{0,24}?"
    r"(?P<mm>\bMM\b|MILLIMET)|(?:DIMENSIONS|UNITS?|단위).{0,24}?(?P<inch>\bINCH)",
    re.IGNORECASE,
)
_MM = re.compile(r"MM|MILLIMET(?:ER|RE)S?", re.IGNORECASE)
_INCH = re.compile(r"IN\.?|INCH(?:ES)?", re.IGNORECASE)

# What a value must look like to be taken for the field; fields not named take any text.
_SHAPES: dict[str, re.Pattern[str]] = {
    "scale": re.compile(rf"{_SCALE.pattern}|N\.?T\.?S\.?|NONE|FULL", re.IGNORECASE),
    "revision": re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,3}"),
    "unit": re.compile(rf"{_MM.pattern}|{_INCH.pattern}", re.IGNORECASE),
    "projection": re.compile(
        r".*(?:각법|ANGLE|1ST|3RD|FIRST|THIRD|WINKEL).*|[13]|ISO[ -]?[AE]|[AE]", re.IGNORECASE
    ),
    "weight": re.compile(r"[0-9]+(?:[.,][0-9]+)? ?(?:KG|G|LBS?|T)|[0-9]+[.,][0-9]+", re.IGNORECASE),
    "quantity": re.compile(r"[0-9]{1,6} ?(?:EA|PCS|SET|개|STK|STÜCK)?\.?", re.IGNORECASE),
    "sheet": re.compile(rf"{_SHEET.pattern}|[0-9]{{1,3}}", re.IGNORECASE),
    "sheet_size": re.compile(r"A[0-4](?:[xX×][0-9])?|[A-E]"),
    "date": re.compile(r"(?=.*[0-9]).*[-./ 년].*"),
    "drawn": re.compile(r".*[^\W\d_].*"),
    "checked": re.compile(r".*[^\W\d_].*"),
    "approved": re.compile(r".*[^\W\d_].*"),
    "company": re.compile(r".*[^\W\d_].*"),
    "material": re.compile(r".*[^\W_].*"),
    "drawing_number": re.compile(r".*[^\W_].*"),
    "title": re.compile(r".*[^\W_].*"),
    "linear": re.compile(r"[±+0-9].*"),
    "angular": re.compile(r"[±+0-9].*"),
}
# Fields whose value may follow the label without a colon: its shape tells it from other words.
_WITHOUT_COLON = {"scale", "sheet", "weight", "revision", "unit", "linear", "angular"}
_ONE_WORD_WITH_DIGIT = re.compile(r"(?=\S*[0-9])\S+")
_TAKES_ONE_WORD = {"material", "drawing_number"}


@dataclass(frozen=True)
class _Candidate:
    """A value that may belong to a label."""

    field: str
    label: PlacedText
    value: PlacedText
    value_index: int
    distance: float


def read_title_block(texts: Sequence[PlacedText]) -> TitleBlock:
    """Find the fields of a title block.

    A value stands behind its label's colon, beside the label or below it. Where a field has a
    shape (a scale is a ratio), only a text of that shape is taken.

    Args:
        texts: the words or lines of the title block, or of the whole sheet, in any order; all
            boxes in one unit.

    Returns:
        The fields found. A label without a value is a blank field and stays None. Never raises.
    """
    lines = join_words([each for each in texts if len(each.text) <= MAX_CHARACTERS])
    labels, found = _labels(lines)
    taken = set(labels) | {each.value_index for each in found}
    values = [each for each in found if each.value.text]
    values += _beside(lines, labels, taken)
    fields: dict[str, Field] = {}
    used: set[int] = set()
    for each in sorted(values, key=lambda candidate: candidate.distance):
        if each.field in fields or (each.distance > 0 and each.value_index in used):
            continue
        used.add(each.value_index)
        fields[each.field] = Field(
            text=each.value.text.strip(),
            label=each.label.text.strip(),
            box=each.value.box,
            confidence=min(each.label.confidence, each.value.confidence),
        )
    return _taken_apart(fields, lines)


def _labels(lines: Sequence[PlacedText]) -> tuple[dict[int, str], list[_Candidate]]:
    """Lines that are labels (field by index, empty for labels of no field), and inline values."""
    labels: dict[int, str] = {}
    inline: list[_Candidate] = []
    for index, line in enumerate(lines):
        field, value = _split(spell(line.text).text.strip())
        if field is None:
            continue
        if value:
            placed = replace(line, text=value)
            inline.append(_Candidate(field, line, placed, index, 0.0))
        else:
            labels[index] = field
    return labels, inline


def _split(text: str) -> tuple[str | None, str]:
    """The field that a line names, and the value behind its label; None if it names none."""
    key = label_key(text[: LONGEST_LABEL + 1])
    if len(text) <= LONGEST_LABEL and key in FIELD_OF_LABEL:
        return FIELD_OF_LABEL[key], ""
    if len(text) <= LONGEST_LABEL and key in OTHER_KEYS:
        return "", ""
    with_colon = _LABEL_WITH_COLON.fullmatch(text)
    if with_colon is not None:
        key = label_key(with_colon[1])
        if key in FIELD_OF_LABEL and _fits(FIELD_OF_LABEL[key], with_colon[2]):
            return FIELD_OF_LABEL[key], with_colon[2].strip()
        if key in FIELD_OF_LABEL or key in OTHER_KEYS:
            return "", ""
    return _split_at_blank(text)


def _split_at_blank(text: str) -> tuple[str | None, str]:
    words = text.split(" ")
    for count in range(min(3, len(words) - 1), 0, -1):
        field = FIELD_OF_LABEL.get(label_key(" ".join(words[:count])))
        value = " ".join(words[count:]).strip()
        if field is None or not value:
            continue
        if field in _WITHOUT_COLON and _fits(field, value):
            return field, value
        if field in _TAKES_ONE_WORD and _ONE_WORD_WITH_DIGIT.fullmatch(value):
            return field, value
        if field == "general_tolerance" and read_general_tolerance(value) is not None:
            return field, value
    return None, ""


def _fits(field: str, value: str) -> bool:
    """Whether a text can be the value of a field."""
    value = value.strip()
    shape = _SHAPES.get(field)
    return bool(value) and (shape is None or shape.fullmatch(value) is not None)


def _fits_beside(field: str, value: str) -> bool:
    """As ``_fits``, for a value that no colon ties to its label."""
    if field == "general_tolerance":
        return read_general_tolerance(value) is not None
    spelled = spell(value).text.strip()
    return begins_surface(spelled) if field == "surface_finish" else _fits(field, spelled)


def _beside(
    lines: Sequence[PlacedText], labels: dict[int, str], taken: set[int]
) -> list[_Candidate]:
    """Values beside or below the labels that stand alone."""
    found = []
    seen: Counter[str] = Counter()
    for index, field in labels.items():
        seen[field] += 1
        if not field or seen[field] > _MAX_LABELS_OF_FIELD:
            continue
        for near in neighbours(lines, index):
            value = lines[near.index]
            if near.index in taken or not _fits_beside(field, value.text):
                continue
            if field == "title":
                value = _whole_title(lines, near.index, taken)
            found.append(_Candidate(field, lines[index], value, near.index, near.distance + 1e-6))
    return found


def _whole_title(lines: Sequence[PlacedText], index: int, taken: set[int]) -> PlacedText:
    """A title with its further lines."""
    parts = [lines[index]]
    for other in lines_below(lines, index, _MAX_TITLE_LINES - 1):
        if other in taken:
            break
        parts.append(lines[other])
    boxes = [each.box for each in parts]
    return PlacedText(
        text=" ".join(each.text.strip() for each in parts),
        box=(
            min(box[0] for box in boxes),
            min(box[1] for box in boxes),
            max(box[2] for box in boxes),
            max(box[3] for box in boxes),
        ),
        confidence=min(each.confidence for each in parts),
    )


def _taken_apart(fields: dict[str, Field], lines: Sequence[PlacedText]) -> TitleBlock:
    linear, angular = fields.pop("linear", None), fields.pop("angular", None)
    scale, sheet = fields.get("scale"), fields.get("sheet")
    pages = _SHEET.fullmatch(sheet.text) if sheet else None
    ratio = _SCALE.fullmatch(scale.text) if scale else None
    return TitleBlock(
        **fields,
        tolerance=_tolerance(fields.get("general_tolerance"), linear, angular, lines),
        scale_ratio=_quotient(ratio[1], ratio[2]) if ratio else None,
        length_unit=_length_unit(fields.get("unit"), lines),
        sheet_number=int(pages[1]) if pages else None,
        sheet_count=int(pages[2]) if pages else None,
    )


def _quotient(first: str, second: str) -> float | None:
    divisor = float(second.replace(",", "."))
    return float(first.replace(",", ".")) / divisor if divisor else None


def _length_unit(unit: Field | None, lines: Sequence[PlacedText]) -> LengthUnit | None:
    if unit is not None:
        return "mm" if _MM.fullmatch(unit.text) else "in"
    for line in lines:
        found = _UNIT_OF_SHEET.search(line.text)
        if found is not None:
            return "mm" if found["mm"] else "in"
    return None


def _tolerance(
    field: Field | None, linear: Field | None, angular: Field | None, lines: Sequence[PlacedText]
) -> GeneralTolerance | None:
    """The statement in its field, else the parts of it, else a standard named on the sheet."""
    if field is not None and (found := read_general_tolerance(field.text)) is not None:
        return found
    parts = [
        f"{name}: {part.text}"
        for name, part in (("LINEAR", linear), ("ANGULAR", angular))
        if part is not None
    ]
    if parts and (found := read_general_tolerance(", ".join(parts))) is not None:
        return found
    named = [found for line in lines if (found := read_general_tolerance(line.text)) is not None]
    named = [found for found in named if found.linear_class is not None]
    is_one = len({(found.standard, found.linear_class) for found in named}) == 1
    return named[0] if is_one else None
