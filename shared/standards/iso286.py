"""ISO 286-1: standard tolerance grades IT1 to IT18 and the limits of fits such as H7 or g6.

Values come from the JSON tables beside this module, in micrometres as printed. A size that lies
exactly on a boundary belongs to the lower step. Hole deviations follow from the shaft's by the
rules of the standard, so only the shaft tables are stored.
"""

import re
from bisect import bisect_left
from dataclasses import dataclass

FIT_PATTERN = re.compile(r"^(?P<letter>[A-Za-z]{1,2})(?P<grade>\d{1,2})$")
MAX_SIZE_MM = 3150.0


@dataclass(frozen=True)
class ShaftDeviation:
    """Fundamental deviation of one shaft letter over the size steps.

    ``kind`` says whether the values are the upper (es) or the lower (ei) deviation.
    """

    letter: str
    kind: str
    grades: tuple[int, int]
    up_to_mm: tuple[float, ...]
    deviation_um: tuple[float, ...]
    verified_up_to_mm: float


@dataclass(frozen=True)
class Iso286Tables:
    """The two tables of ISO 286-1 as data."""

    standard: str
    up_to_mm: tuple[float, ...]
    grade_um: tuple[tuple[float, ...], ...]  # (n_steps, 18), IT1 first
    shafts: dict[str, ShaftDeviation]
    source: str
    deviation_source: str


@dataclass(frozen=True)
class Limits:
    """Limit deviations of a toleranced size in micrometres."""

    fit: str
    kind: str  # hole | shaft
    grade: str
    tolerance_um: float
    upper_um: float
    lower_um: float
    verified: bool
    source: str


class OutsideStandard(ValueError):
    """A size, letter or grade for which the tables hold no value; the text says what they hold."""

    def __init__(self, field: str, text: str) -> None:
        """Name the field that is wrong, ``size_mm`` or ``fit``, and what is allowed."""
        super().__init__(text)
        self.field = field


def grade_um(tables: Iso286Tables, size_mm: float, grade: int) -> float:
    """Return the standard tolerance IT``grade`` of a nominal size.

    Args:
        tables: the tables of ISO 286-1.
        size_mm: nominal size, above 0 and at most 3150.
        grade: 1 to 18.

    Returns:
        Full width of the tolerance zone in micrometres.

    Raises:
        OutsideStandard: size or grade lies outside the table.
    """
    if not 0.0 < size_mm <= MAX_SIZE_MM:
        raise OutsideStandard(
            "size_mm", f"{size_mm:g} mm; ISO 286-1 covers above 0 up to {MAX_SIZE_MM:g} mm"
        )
    if not 1 <= grade <= 18:
        raise OutsideStandard("fit", f"grade IT{grade}; the table holds IT1 to IT18")
    if grade >= 14 and size_mm <= 1.0:
        raise OutsideStandard("fit", "grades IT14 to IT18 are not used for sizes up to 1 mm")
    return tables.grade_um[bisect_left(tables.up_to_mm, size_mm)][grade - 1]


def limits(tables: Iso286Tables, size_mm: float, fit: str) -> Limits:
    """Resolve a tolerance class such as ``H7`` or ``g6`` to its limit deviations.

    Args:
        tables: the tables of ISO 286-1.
        size_mm: nominal size, above 0 and at most 3150 (500 for letters other than h, js).
        fit: letter and grade; a capital letter means a hole.

    Returns:
        The deviations from the nominal size in micrometres.

    Raises:
        OutsideStandard: the class is not one of the standard or the table lacks it here.
    """
    match = FIT_PATTERN.match(fit)
    if match is None:
        raise OutsideStandard(
            "fit", f"{fit[:16]!r}; expected a letter and a grade such as H7 or g6"
        )
    letter, grade = match["letter"], int(match["grade"])
    is_hole = letter[0].isupper()
    if letter not in (letter.upper(), letter.lower()):
        raise OutsideStandard("fit", f"{fit!r}; write both letters large (hole) or small (shaft)")
    width_um = grade_um(tables, size_mm, grade)
    upper_um, verified = _upper_um(tables, size_mm, letter, grade)
    return Limits(
        fit=fit,
        kind="hole" if is_hole else "shaft",
        grade=f"IT{grade}",
        tolerance_um=width_um,
        upper_um=round(upper_um, 3),
        lower_um=round(upper_um - width_um, 3),
        verified=verified,
        source=tables.deviation_source if letter.lower() in tables.shafts else tables.source,
    )


def available_fits(tables: Iso286Tables) -> dict[str, list[str]]:
    """List the letters that ``limits`` knows, for holes and for shafts."""
    shafts = sorted([*tables.shafts, "h", "js"])
    # M holes have exceptions of their own in the standard, which the tables here do not hold.
    return {"hole": [letter.upper() for letter in shafts if letter != "m"], "shaft": shafts}


def _upper_um(tables: Iso286Tables, size_mm: float, letter: str, grade: int) -> tuple[float, bool]:
    """Return the upper limit deviation in micrometres and whether the value is confirmed."""
    shaft_letter = letter.lower()
    is_hole = letter.isupper()
    width_um = grade_um(tables, size_mm, grade)
    if shaft_letter == "js":
        return width_um / 2, True
    if shaft_letter == "h":
        return (width_um if is_hole else 0.0), True
    known = available_fits(tables)["hole" if is_hole else "shaft"]
    if letter not in known:
        raise OutsideStandard("fit", f"letter {letter!r}; the tables hold {', '.join(known)}")
    row = tables.shafts[shaft_letter]
    if size_mm > row.up_to_mm[-1]:
        raise OutsideStandard(
            "size_mm", f"{size_mm:g} mm; {letter} is tabulated up to {row.up_to_mm[-1]:g} mm here"
        )
    if not row.grades[0] <= grade <= row.grades[1]:
        raise OutsideStandard(
            "fit",
            f"{letter}{grade}; {letter} is tabulated for grades {row.grades[0]} to {row.grades[1]}",
        )
    shaft_um = row.deviation_um[bisect_left(row.up_to_mm, size_mm)]
    verified = size_mm <= row.verified_up_to_mm
    if row.kind == "upper":
        return (-shaft_um + width_um if is_hole else shaft_um), verified
    if not is_hole:
        return shaft_um + width_um, verified
    return _hole_upper_um(tables, size_mm, shaft_letter, grade, shaft_um), verified


def _hole_upper_um(
    tables: Iso286Tables, size_mm: float, letter: str, grade: int, shaft_um: float
) -> float:
    """ES of the holes K to S: -ei + delta, delta = IT(n) - IT(n-1) for the finer grades."""
    if letter == "n" and grade > 8:
        return 0.0 if size_mm > 3.0 else -shaft_um
    finest_without_delta = 9 if letter in ("k", "n") else 8
    if size_mm <= 3.0 or grade >= finest_without_delta:
        return -shaft_um
    delta_um = grade_um(tables, size_mm, grade) - grade_um(tables, size_mm, grade - 1)
    return -shaft_um + delta_um
