"""Checks a request against the catalog and the limits; unknown names are refused, never guessed.

Most requests are plainly right, which takes a few comparisons to see. Only another comes here in
full, so that the checks may take their time to say exactly what is wrong and what is allowed.
"""

from collections.abc import Collection
from math import isfinite

import msgspec

from services.tolerance.cases import REQUIRED_DIMENSIONS, measure
from services.tolerance.catalog import Catalog
from services.tolerance.parts import (
    CONFIDENCE_LEVEL_RANGE,
    CPK_TARGET_RANGE,
    MAX_ID_CHARACTERS,
    MAX_PARTS,
    MAX_SIZE_MM,
    MIN_SIZE_MM,
    MIN_SPEC_MM,
    Part,
    PredictRequest,
    Problem,
)

MAX_PROBLEMS = 20
Location = tuple[str | int, ...]


def is_plainly_right(request: PredictRequest) -> bool:
    """Whether ``check_request`` could find fault with names and missing dimensions only.

    False says nothing: the request may still be right.
    """
    (low_cpk, high_cpk), (low_level, high_level) = CPK_TARGET_RANGE, CONFIDENCE_LEVEL_RANGE
    return (
        low_cpk <= request.cpk_target <= high_cpk
        and low_level <= request.confidence_level <= high_level
        and 1 <= len(request.parts) <= MAX_PARTS
        and all(map(_is_plain_part, request.parts))
    )


def _is_plain_part(part: Part) -> bool:
    sizes, spec, names = part.dimensions_mm, part.spec_mm, part.characteristics
    for size in (
        sizes.length,
        sizes.width,
        sizes.thickness,
        sizes.diameter,
        sizes.depth,
        sizes.location_x,
        sizes.location_y,
    ):
        if size is not None and not MIN_SIZE_MM <= size <= MAX_SIZE_MM:
            return False
    if spec is not None and (isinstance(spec, dict) or not _is_spec(spec)):
        return False
    if part.id is not None and not _is_id(part.id):
        return False
    return len(names) == 1 or (len(names) > 1 and len(set(names)) == len(names))


def check_request(catalog: Catalog, request: PredictRequest) -> list[Problem]:
    """List what is wrong with a request, at most ``MAX_PROBLEMS``; empty if nothing is."""
    problems = [
        *_check_range("cpk_target", request.cpk_target, CPK_TARGET_RANGE),
        *_check_range("confidence_level", request.confidence_level, CONFIDENCE_LEVEL_RANGE),
    ]
    if not 1 <= len(request.parts) <= MAX_PARTS:
        text = f"{len(request.parts)} parts; expected 1 to {MAX_PARTS}"
        return [*problems, Problem(("parts",), text)]
    for index, part in enumerate(request.parts):
        problems += check_part(catalog, part, ("parts", index))
        if len(problems) >= MAX_PROBLEMS:
            break
    return problems[:MAX_PROBLEMS]


def check_part(catalog: Catalog, part: Part, loc: Location) -> list[Problem]:
    """List what is wrong with one part, located under ``loc``."""
    wrong_sizes = _check_sizes(part, loc)
    problems = [
        *_check_name(part.material, catalog.materials, (*loc, "material")),
        *_check_name(part.process, catalog.processes, (*loc, "process")),
        *_check_name(part.feature, catalog.features, (*loc, "feature")),
        *wrong_sizes,
        *_check_spec(part, loc),
    ]
    if part.id is not None and not _is_id(part.id):
        text = f"expected at most {MAX_ID_CHARACTERS} characters of Unicode text"
        problems.append(Problem((*loc, "id"), text))
    if part.process in catalog.processes and part.feature in catalog.features:
        problems += _check_characteristics(catalog, part, loc)
        if not problems:
            problems = _check_required_sizes(part, loc)
    return problems


def _check_characteristics(catalog: Catalog, part: Part, loc: Location) -> list[Problem]:
    allowed = catalog.characteristics_of(part.process, part.feature)
    if not allowed:
        makers = [
            name for name in catalog.processes if catalog.characteristics_of(name, part.feature)
        ]
        text = f"{part.process} makes no {part.feature}; allowed for it: {', '.join(makers)}"
        return [Problem((*loc, "process"), text)]
    names = part.characteristics
    if not names or len(set(names)) != len(names):
        text = f"expected one or more different names of: {', '.join(allowed)}"
        return [Problem((*loc, "characteristics"), text)]
    problems = []
    for index, name in enumerate(names):
        if name not in allowed:
            text = (
                f"{_quoted(name)} does not apply to a {part.feature} made by {part.process}; "
                f"allowed: {', '.join(allowed)}"
            )
            problems.append(Problem((*loc, "characteristics", index), text))
    return problems


def _check_sizes(part: Part, loc: Location) -> list[Problem]:
    return [
        Problem((*loc, "dimensions_mm", name), _size_text(value, MIN_SIZE_MM))
        for name, value in msgspec.structs.asdict(part.dimensions_mm).items()
        if value is not None and not MIN_SIZE_MM <= value <= MAX_SIZE_MM
    ]


def _check_required_sizes(part: Part, loc: Location) -> list[Problem]:
    return [
        Problem(
            (*loc, "dimensions_mm"), f"{name} of a {part.feature} needs {REQUIRED_DIMENSIONS[name]}"
        )
        for name in part.characteristics
        if measure(part.feature, name, part.dimensions_mm) is None
    ]


def _check_spec(part: Part, loc: Location) -> list[Problem]:
    spec = part.spec_mm
    if isinstance(spec, dict):
        unknown = [
            Problem(
                (*loc, "spec_mm", name[:64]),
                f"not asked for; allowed: {', '.join(part.characteristics[:8])}",
            )
            for name in spec
            if name not in part.characteristics
        ]
        wrong = [
            Problem((*loc, "spec_mm", name), _size_text(value, MIN_SPEC_MM))
            for name, value in spec.items()
            if name in part.characteristics and not _is_spec(value)
        ]
        return unknown + wrong
    if spec is None or _is_spec(spec):
        return []
    return [Problem((*loc, "spec_mm"), _size_text(spec, MIN_SPEC_MM))]


def _is_id(text: str) -> bool:
    # JSON can escape half of a surrogate pair, which no answer could be encoded with.
    is_text = text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
    return is_text and len(text) <= MAX_ID_CHARACTERS


def _is_spec(value: float) -> bool:
    return MIN_SPEC_MM <= value <= MAX_SIZE_MM


def _size_text(value: float, smallest_mm: float) -> str:
    return f"{value:g} mm; expected {smallest_mm:g} to {MAX_SIZE_MM:g}"


def _check_name(name: str, known: Collection[str], loc: Location) -> list[Problem]:
    if name in known:
        return []
    return [Problem(loc, f"unknown {loc[-1]} {_quoted(name)}; allowed: {', '.join(known)}")]


def _check_range(name: str, value: float, limits: tuple[float, float]) -> list[Problem]:
    low, high = limits
    if isfinite(value) and low <= value <= high:
        return []
    return [Problem((name,), f"{value:g}; expected {low:g} to {high:g}")]


def _quoted(text: str) -> str:
    """Quote a client's text, cut short."""
    return repr(text if len(text) <= 40 else text[:40] + "...")
