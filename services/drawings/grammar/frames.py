"""Reads tolerance frames of ISO 1101 (ASME Y14.5: feature control frames)."""

from collections.abc import Sequence

from services.drawings.grammar.readings import FeatureControlFrame, Unread


def read_frame(cells: Sequence[str]) -> FeatureControlFrame | Unread:
    """Read the compartments of one row of a tolerance frame.

    Args:
        cells: text of each compartment, left to right. The first holds the sign of the
            characteristic, or its ISO 1101 name (``"position"``) where a detector found the sign.

    Returns:
        The frame, or ``Unread`` with the reason. Never raises.
    """
    return Unread("|".join(cells), "no rule reads it")
