"""Reads the fields of a title block from lines of text and their places."""

from collections.abc import Sequence

from services.drawings.grammar.sheet import PlacedText, TitleBlock


def read_title_block(texts: Sequence[PlacedText]) -> TitleBlock:
    """Find the fields of a title block.

    Args:
        texts: the lines of the title block, or of the whole sheet, in any order; all boxes in one
            unit.

    Returns:
        The fields found. A label without a value is a blank field and stays None. Never raises.
    """
    return TitleBlock()
