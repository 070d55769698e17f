"""Choose the form of an answer by the request's ``Accept`` header (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence


def preferred_type(accept: str | None, offered: Sequence[str]) -> str:
    """The offered media type that the client likes best.

    Args:
        accept: the header's value, if there is one.
        offered: media types; the first is the usual one and stands for anything not understood.
    """
    best = (0.0, offered[0])
    for part in (accept or "").split(","):
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        chosen = offered[0] if name == "*/*" else name
        weight = next((_quality(each[2:]) for each in parameters if each.startswith("q=")), 1.0)
        if chosen in offered and weight > best[0]:
            best = (weight, chosen)
    return best[1]


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
