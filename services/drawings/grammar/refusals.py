"""Says what a text is that is no callout, so that the reason of a refusal helps its reader."""

import re
from re import Pattern

_KINDS: tuple[tuple[str, str], ...] = (
    (r"[12][0-9]{3}[-./][0-9]{1,2}[-./][0-9]{1,2}\.?", "a date"),
    (r"[0-9]{1,2}[-./][0-9]{1,2}[-./](?:[0-9]{2}|[12][0-9]{3})\.?", "a date"),
    (r"0(?:[.,]0+)?", "a zero alone: the origin of ordinate dimensions, or a deviation"),
    (r"[0-9]{2}:[0-9]{2}(?::[0-9]{2})?", "a time of day"),
    (
        r"[0-9]{1,4} ?: ?[0-9]{1,4}(?:[.,][0-9]+)?",
        "a ratio: a scale, or a taper without its sign",
    ),
    (r"(?:\+[0-9]{1,3}[ -]?)?(?:\(?[0-9]{2,4}\)?[ -]){2}[0-9]{3,4}", "a telephone number"),
    (r"[0-9]{1,3} ?(?:/|OF|of|VON|von) ?[0-9]{1,3}", "a page of pages, or a fraction"),
    (r"(?:KS|JIS|DIN|ISO|EN|ASTM|ASME|GB|ANSI)(?: .*|[0-9 -].*)?", "the name of a standard"),
    (
        r"(?:Z[ABC]|JS|js|[A-HJ-NP-Za-hj-np-z])[0-9]{1,2}(?:/[a-z]{1,2}[0-9]{1,2})?",
        "a letter with a number: a tolerance class without its size, a zone, a sheet size",
    ),
    (
        r"S[0-9]{2}CM?|SUS ?[0-9]{3}.*|SS[0-9]{3}|SCM[0-9]{3}.*|[0-9]{4}-T[0-9]+|A[0-9]{4}.*",
        "the name of a material",
    ),
    (
        r"(?:SECTION|SCHNITT|DETAIL|VIEW|ANSICHT|단면|상세).*|[A-Z] ?- ?[A-Z]",
        "the name of a view or section",
    ),
    (r"[±+-].*", "a deviation without its size"),
    (r"[^0-9]*", "words without a number"),
)
_PATTERNS: tuple[tuple[Pattern[str], str], ...] = tuple(
    (re.compile(pattern), kind) for pattern, kind in _KINDS
)


def kind_of(text: str) -> str | None:
    """Name what the text is, or None.

    Args:
        text: in one spelling, at most as long as a callout.
    """
    stripped = text.strip()
    for pattern, kind in _PATTERNS:
        if pattern.fullmatch(stripped):
            return kind
    return None
