"""Reads the text of engineering drawings; pure Python, no picture and no model.

``read`` takes one callout and answers with what it says, or with ``Unread`` and the reason: nothing
is invented. ``read_frame`` takes the compartments of one tolerance frame, ``read_title_block`` the
placed lines of a title block, ``resolve`` adds the limits that follow from ISO 286 and ISO 2768.
"""

from services.drawings.grammar.frames import read_frame
from services.drawings.grammar.general_tolerance import read_general_tolerance
from services.drawings.grammar.limits import resolve
from services.drawings.grammar.reader import read
from services.drawings.grammar.readings import (
    Datum,
    DatumReference,
    Depth,
    Dimension,
    FeatureControlFrame,
    Fit,
    Number,
    Reading,
    SurfaceTexture,
    Thread,
    ToleranceClass,
    Unread,
)
from services.drawings.grammar.sheet import Field, GeneralTolerance, PlacedText, TitleBlock
from services.drawings.grammar.title_block import read_title_block

__all__ = [
    "Datum",
    "DatumReference",
    "Depth",
    "Dimension",
    "FeatureControlFrame",
    "Field",
    "Fit",
    "GeneralTolerance",
    "Number",
    "PlacedText",
    "Reading",
    "SurfaceTexture",
    "Thread",
    "TitleBlock",
    "ToleranceClass",
    "Unread",
    "read",
    "read_frame",
    "read_general_tolerance",
    "read_title_block",
    "resolve",
]
