"""ISO 2768: general tolerances for dimensions without an individual indication.

Part 1 (classes f, m, c, v) gives plus-minus values for linear and angular sizes, part 2 (classes
H, K, L; withdrawn in 2021 but still on many drawings) the width of zones for form and position.
A drawing names both in one word, such as ``mK``. A size on a boundary belongs to the lower range.
"""

import re
from bisect import bisect_left
from dataclasses import dataclass

CLASS_PATTERN = re.compile(r"^(?P<linear>[fmcv])?(?P<geometrical>[HKL])?$")


@dataclass(frozen=True)
class GeneralTable:
    """One table: ranges of size, and a value per class and range (None: not defined)."""

    name: str
    source: str
    up_to_mm: tuple[float, ...]
    from_mm: float
    values: dict[str, tuple[float | None, ...]]
    verified: dict[str, bool]


@dataclass(frozen=True)
class Iso2768Tables:
    """Both parts of ISO 2768 as data."""

    linear_standard: str
    geometrical_standard: str
    geometrical_status: str
    linear: GeneralTable
    radius_and_chamfer: GeneralTable
    angle: GeneralTable
    geometrical: dict[str, GeneralTable]
    without_general_tolerance: tuple[str, ...]


@dataclass(frozen=True)
class GeneralTolerance:
    """One value of one table; ``value`` is a plus-minus in mm or minutes, or a zone width in mm."""

    name: str
    tolerance_class: str
    value: float
    over_mm: float
    up_to_mm: float
    verified: bool
    source: str


class OutsideGeneralTolerances(ValueError):
    """No general tolerance exists for this size or class; the text says what does."""


def look_up(table: GeneralTable, size_mm: float, tolerance_class: str) -> GeneralTolerance:
    """Return the general tolerance of a size.

    Args:
        table: one table of the standard.
        size_mm: nominal size, within the table's ranges.
        tolerance_class: one letter, f, m, c, v or H, K, L.

    Returns:
        The value with the range it belongs to.

    Raises:
        OutsideGeneralTolerances: below, above or not defined; it needs an individual tolerance.
    """
    if not table.from_mm <= size_mm <= table.up_to_mm[-1]:
        raise OutsideGeneralTolerances(
            f"{table.name} of {size_mm:g} mm has no general tolerance; the table covers "
            f"{table.from_mm:g} to {table.up_to_mm[-1]:g} mm, state an individual tolerance"
        )
    index = bisect_left(table.up_to_mm, size_mm)
    value = table.values[tolerance_class][index]
    if value is None:
        raise OutsideGeneralTolerances(
            f"class {tolerance_class} defines no {table.name} tolerance for {size_mm:g} mm"
        )
    return GeneralTolerance(
        name=table.name,
        tolerance_class=tolerance_class,
        value=value,
        over_mm=table.up_to_mm[index - 1] if index else table.from_mm,
        up_to_mm=table.up_to_mm[index],
        verified=table.verified[tolerance_class],
        source=table.source,
    )


def split_class(text: str) -> tuple[str | None, str | None]:
    """Split a class as drawings write it (``m``, ``K``, ``mK``) into linear and geometrical letter.

    Raises:
        OutsideGeneralTolerances: not one of f, m, c, v followed by or replaced by H, K, L.
    """
    match = CLASS_PATTERN.match(text)
    if match is None or not text:
        raise OutsideGeneralTolerances(
            f"class {text[:16]!r}; allowed are f, m, c, v for sizes, H, K, L for geometry, "
            "or both as in mK"
        )
    return match["linear"], match["geometrical"]
