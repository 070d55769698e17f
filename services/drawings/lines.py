"""Lines of text with their direction, and how single letters of a PDF become lines."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from services.drawings.geometry import Box, FloatArray, Point, turned, turned_back

CAP_HEIGHT = 0.72  # of a letter without descender, as a share of the font's size
LINE_GAP = 0.9  # a wider gap between letters, in font sizes, begins another line
WORD_GAP = 0.22  # a wider gap is a space
SAME_BASELINE = 0.25  # largest offset of letters of one line, in font sizes
ANGLE_STEP_DEG = 2.0  # letters within it have one direction
Source = Literal["text", "ocr"]


@dataclass(frozen=True)
class Glyph:
    """One letter, or one sign that stands for a letter."""

    text: str
    origin: Point  # left end of the baseline
    advance: float  # along the baseline, px
    angle_deg: float
    size: float  # of the font, px


@dataclass(frozen=True)
class TextLine:
    """One line of text; its own frame of reference runs along the text."""

    text: str
    corner: Point  # on the page: the text's own top left
    length: float  # along the text, px
    height: float  # across, px; of capital letters
    angle_deg: float
    confidence: float = 1.0
    source: Source = "text"

    def times(self, scale: float) -> "TextLine":
        """The same on a picture of another size."""
        corner = (self.corner[0] * scale, self.corner[1] * scale)
        return replace(self, corner=corner, length=self.length * scale, height=self.height * scale)

    def moved(self, x: float, y: float) -> "TextLine":
        """The same elsewhere on the page."""
        return replace(self, corner=(self.corner[0] + x, self.corner[1] + y))

    @property
    def polygon(self) -> FloatArray:
        """(4, 2) corners on the page, clockwise from the text's own top left."""
        local = np.array([[0, 0], [self.length, 0], [self.length, self.height], [0, self.height]])
        corners: FloatArray = turned_back(local, self.angle_deg) + np.array(self.corner)
        return corners

    @property
    def box(self) -> Box:
        """Upright box on the page."""
        corners = self.polygon
        low, high = corners.min(axis=0), corners.max(axis=0)
        return Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))

    def box_in(self, angle_deg: float) -> Box:
        """Its box in a frame that is turned by ``angle_deg``."""
        corners = turned(self.polygon, angle_deg)
        low, high = corners.min(axis=0), corners.max(axis=0)
        return Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))


def join_glyphs(glyphs: Iterable[Glyph]) -> list[TextLine]:
    """Join letters to lines: same direction, same baseline, no wide gap.

    Args:
        glyphs: in any order; spaces may be among them.
    """
    by_angle: dict[int, list[Glyph]] = defaultdict(list)
    for glyph in glyphs:
        by_angle[round(glyph.angle_deg / ANGLE_STEP_DEG) % round(360 / ANGLE_STEP_DEG)].append(
            glyph
        )
    lines = []
    for group in by_angle.values():
        lines += _lines_of_one_direction(group)
    return lines


@dataclass(frozen=True)
class _Placed:
    """A letter in the frame of its direction."""

    glyph: Glyph
    left: float
    baseline: float

    @property
    def right(self) -> float:
        return self.left + self.glyph.advance


def _lines_of_one_direction(glyphs: Sequence[Glyph]) -> list[TextLine]:
    angle_deg = glyphs[0].angle_deg
    origins = turned(np.array([each.origin for each in glyphs]), angle_deg)
    placed = [
        _Placed(glyph, float(u), float(v)) for glyph, (u, v) in zip(glyphs, origins, strict=True)
    ]
    placed.sort(key=lambda each: each.baseline)
    rows: list[list[_Placed]] = []
    for each in placed:
        # The rows nearest above come last.
        for row in reversed(rows[-8:]):
            if abs(row[-1].baseline - each.baseline) <= SAME_BASELINE * each.glyph.size:
                row.append(each)
                break
        else:
            rows.append([each])
    return [line for row in rows for line in _split_row(row, angle_deg)]


def _split_row(row: list[_Placed], angle_deg: float) -> list[TextLine]:
    row.sort(key=lambda each: each.left)
    lines: list[TextLine] = []
    current: list[_Placed] = []
    text, right = "", 0.0
    for each in row:
        if not each.glyph.text.strip():
            if current:
                text = text.rstrip() + " "
            continue
        gap, size = each.left - right, each.glyph.size
        has_other_size = current and not 0.6 < size / current[-1].glyph.size < 1.67
        if current and (gap > LINE_GAP * size or has_other_size):
            lines.append(_line(current, text, angle_deg))
            current, text = [], ""
        if current and gap > WORD_GAP * size and not text.endswith(" "):
            text += " "
        current.append(each)
        text += each.glyph.text
        right = each.right
    if current:
        lines.append(_line(current, text, angle_deg))
    return lines


def _line(letters: Sequence[_Placed], text: str, angle_deg: float) -> TextLine:
    size = max(each.glyph.size for each in letters)
    left, right = letters[0].left, max(each.right for each in letters)
    baseline = float(np.median([each.baseline for each in letters]))
    height = CAP_HEIGHT * size
    corner = turned_back(np.array([left, baseline - height]), angle_deg)
    return TextLine(
        text.strip(), (float(corner[0]), float(corner[1])), right - left, height, angle_deg
    )
