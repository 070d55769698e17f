"""From the texts of the pages to what they say; all reading is the grammar's."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from services.drawings.callouts import Callout, group
from services.drawings.content import FrameCells, PageContent, without_zone_marks
from services.drawings.geometry import Box
from services.drawings.grammar import (
    Datum,
    Dimension,
    FeatureControlFrame,
    GeneralTolerance,
    PlacedText,
    SurfaceTexture,
    TitleBlock,
    Unread,
    read,
    read_frame,
    read_title_block,
    resolve,
)
from services.drawings.grammar.readings import LengthUnit
from services.drawings.lines import TextLine

Kind = TypeVar("Kind")
LEAST_CONFIDENCE = 0.5  # what the OCR is less sure of is not taken for a dimension
LEAST_ALONE = 0.75  # the same of a single character, as which many a stroke is read
STACKED = 0.3  # how far apart stacked frames may be, in heights of one
GENERAL_TOLERANCE = re.compile(
    r"\s*(?:(?P<standard>(?:KS\s*B\s*)?(?:ISO|DIN(?:\s*ISO)?)\s*2768)\s*[-–: ]?\s*)?"
    r"(?P<linear>[fmcv])?\s*(?P<geometrical>[HKL])?\s*"
)


@dataclass(frozen=True)
class Place:
    """Where something stands."""

    page: int
    box: Box
    confidence: float
    angle_deg: float = 0.0


@dataclass(frozen=True)
class Found(Generic[Kind]):
    """Something read, and where."""

    reading: Kind
    place: Place


@dataclass
class Findings:
    """What the pages say."""

    dimensions: list[Found[Dimension]] = field(default_factory=list)
    frames: list[Found[FeatureControlFrame]] = field(default_factory=list)
    datums: list[Found[Datum]] = field(default_factory=list)
    textures: list[Found[SurfaceTexture]] = field(default_factory=list)
    notes: list[Found[str]] = field(default_factory=list)
    unparsed: list[Found[Unread]] = field(default_factory=list)
    title_block: TitleBlock = field(default_factory=TitleBlock)
    title_page: int = 1


def interpret(
    pages: Sequence[PageContent], *, general: GeneralTolerance | None, unit: LengthUnit | None
) -> Findings:
    """Read all pages.

    Args:
        pages: their contents.
        general: used where the sheet states no general tolerance.
        unit: used where the sheet states no unit of length.
    """
    findings = Findings()
    for content in pages:
        _read_title_block(content, findings)
    tolerance = findings.title_block.tolerance or general
    length_unit = findings.title_block.length_unit or unit or "mm"
    for content in pages:
        for frame in content.frames:
            _read_frame(content, frame, findings)
        lines = [each for each in without_zone_marks(content) if not _is_in_table(each, content)]
        for callout in group(lines, content.boxed):
            _read_callout(content, callout, findings)
    findings.dimensions = [
        Found(resolve(each.reading, tolerance, unit=length_unit), each.place)
        for each in findings.dimensions
    ]
    return findings


def parse_general_tolerance(text: str) -> GeneralTolerance | None:
    """What a client names as general tolerance, ``ISO 2768-mK`` or just ``m``; None if unknown."""
    match = GENERAL_TOLERANCE.fullmatch(text)
    if match is None or not (match["linear"] or match["geometrical"]):
        return None
    return GeneralTolerance(
        text, match["standard"] or "ISO 2768", match["linear"], match["geometrical"]
    )


def is_right_above(upper: Place, lower: Place) -> bool:
    """Whether two frames share a side, and begin at one edge: they are stacked."""
    if upper.page != lower.page or upper.angle_deg != lower.angle_deg:
        return False
    first, second = (_along_text(each) for each in (upper, lower))
    reach = STACKED * second.height
    return abs(second.y1 - first.y2) < reach and abs(second.x1 - first.x1) < reach


def _along_text(place: Place) -> Box:
    """The box of a level or upward frame in the frame of its text."""
    box = place.box
    return Box(-box.y2, box.x1, -box.y1, box.x2) if place.angle_deg == -90 else box


def _read_title_block(content: PageContent, findings: Findings) -> None:
    """The first page with the most fields wins."""
    texts = [
        PlacedText(each.text, (each.box.x1, each.box.y1, each.box.x2, each.box.y2), each.confidence)
        for each in without_zone_marks(content)
    ]
    block = read_title_block(texts)
    if len(block.present) > len(findings.title_block.present):
        findings.title_block, findings.title_page = block, content.page


def _is_in_table(line: TextLine, content: PageContent) -> bool:
    return any(table.holds(line.box.centre) for table in content.tables)


def _read_frame(content: PageContent, frame: FrameCells, findings: Findings) -> None:
    reading = read_frame(frame.cells, frame.rows)
    place = Place(content.page, frame.box, frame.confidence, frame.angle_deg)
    if isinstance(reading, Unread):
        findings.unparsed.append(Found(reading, place))
    else:
        findings.frames.append(Found(reading, place))


def _read_callout(content: PageContent, callout: Callout, findings: Findings) -> None:
    reading = read(callout.text, is_framed=callout.is_framed)
    place = Place(content.page, callout.box, callout.confidence, callout.angle_deg)
    least = LEAST_ALONE if len(callout.text) == 1 else LEAST_CONFIDENCE
    if callout.confidence < least and not isinstance(reading, Unread):
        reading = Unread(callout.text, f"read with a confidence of only {callout.confidence:.2f}")
    if isinstance(reading, Dimension):
        findings.dimensions.append(Found(reading, place))
    elif isinstance(reading, FeatureControlFrame):
        findings.frames.append(Found(reading, place))
    elif isinstance(reading, Datum):
        findings.datums.append(Found(reading, place))
    elif isinstance(reading, SurfaceTexture):
        findings.textures.append(Found(reading, place))
    elif any(each.isdigit() for each in reading.text):
        findings.unparsed.append(Found(reading, place))
    else:
        findings.notes.append(Found(reading.text, place))
