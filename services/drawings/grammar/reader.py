"""Decides what one callout is and hands it to the reader of that kind."""

from services.drawings.grammar.readings import Reading, Unread


def read(text: str, *, is_framed: bool = False) -> Reading:
    r"""Read one callout as OCR or a PDF gave it.

    Args:
        text: the characters; ``"\n"`` separates lines that stand one above the other, such as
            deviations or limits.
        is_framed: a rectangle is drawn around the text: a number is a basic dimension, a letter
            a datum.

    Returns:
        What it says, or ``Unread`` with the reason. Never raises.
    """
    return Unread(text, "no rule reads it")
