"""Decides what one callout is and hands it to the reader of that kind."""

from dataclasses import replace

from services.drawings.grammar.callouts import read_dimension
from services.drawings.grammar.characters import MAX_CHARACTERS, spell
from services.drawings.grammar.datums import read_datum
from services.drawings.grammar.frames import begins_frame, read_frame_text
from services.drawings.grammar.readings import Dimension, Reading, Unread
from services.drawings.grammar.refusals import kind_of
from services.drawings.grammar.scanner import NotRead
from services.drawings.grammar.surfaces import begins_surface, read_surface


def read(text: str, *, is_framed: bool = False) -> Reading:
    r"""Read one callout as OCR or a PDF gave it.

    A number alone is read as a linear size: whether it is one, and not a zone of the sheet or an
    item of a list, only its place tells, which is the caller's to know.

    Args:
        text: the characters; ``"\n"`` separates lines that stand one above the other, such as
            deviations or limits. ``|`` parts the compartments of a tolerance frame.
        is_framed: a rectangle is drawn around the text: a number is a basic dimension, a letter
            a datum. Square brackets around the text say the same.

    Returns:
        What it says, or ``Unread`` with the reason. Never raises.
    """
    if len(text) > MAX_CHARACTERS:
        return Unread(text, f"longer than {MAX_CHARACTERS} characters: no callout")
    spelled = spell(text).text.strip()
    if not spelled:
        return Unread(text, "empty")
    try:
        return _read(text, spelled, is_framed=is_framed)
    except NotRead as error:
        kind = kind_of(spelled)
        return Unread(text, f"{kind} ({error})" if kind else str(error))


def _read(text: str, spelled: str, *, is_framed: bool) -> Reading:
    datum = read_datum(text, is_framed=is_framed)
    if datum is not None:
        return datum
    if begins_surface(spelled):
        return read_surface(text)
    if "|" in spelled or (begins_frame(spelled) and not spelled.startswith("∠")):
        return _frame_or_arc(text, spelled)
    if spelled.startswith("[") and spelled.endswith("]"):
        inner = text.strip()[1:-1]
        return _as_basic(replace(read_dimension(inner), text=text))
    if spelled.startswith("∠"):
        return _angle_or_angularity(text)
    dimension = read_dimension(text)
    return _as_basic(dimension) if is_framed else dimension


def _frame_or_arc(text: str, spelled: str) -> Reading:
    """A frame; but ⌒ before a toleranced size is the length of an arc (ISO 129-1)."""
    if not spelled.startswith("⌒"):
        return read_frame_text(text)
    try:
        return read_frame_text(text)
    except NotRead:
        return read_dimension(text)


def _angle_or_angularity(text: str) -> Reading:
    try:
        return read_dimension(text)
    except NotRead:
        return read_frame_text(text)


def _as_basic(dimension: Dimension) -> Dimension:
    if dimension.tolerance_source != "none" or dimension.is_reference:
        raise NotRead("a frame around a size that has a tolerance or is a reference")
    return replace(dimension, is_basic=True)
