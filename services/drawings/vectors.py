"""What PDFium finds on a page: letters and drawn lines, in pixels."""

from dataclasses import dataclass

import numpy as np

from services.drawings.cells import straight_lines
from services.drawings.geometry import Box, FloatArray, turned, turned_back
from services.drawings.lines import Glyph
from shared.media.limits import PageVectors


@dataclass(frozen=True, eq=False)
class Stroke:
    """A drawn polyline."""

    points: FloatArray  # (n, 2) px
    box: Box
    path: int  # number of the path object it belongs to
    number: int  # place in the page's list


@dataclass(frozen=True)
class VectorPage:
    """What a page says in text and lines, in pixels at the resolution asked for."""

    width: float
    height: float
    glyphs: tuple[Glyph, ...]
    strokes: tuple[Stroke, ...]
    level: FloatArray  # (n, 3): y, x1, x2 of level lines
    upright: FloatArray  # (n, 3): x, y1, y2 of upright lines

    @property
    def letter_height(self) -> float:
        """Usual height of a capital letter, px; 0 without text."""
        sizes = [each.size for each in self.glyphs if each.text.strip()]
        return 0.72 * float(np.median(sizes)) if sizes else 0.0


def to_page(vectors: PageVectors, dpi: int) -> VectorPage:
    """Take over what PDFium found, in pixels at ``dpi``."""
    scale = dpi / 72.0
    glyphs = tuple(_glyph(letter, row * np.array([scale] * 6 + [1.0, scale]))
                   for letter, row in zip(vectors.text, vectors.glyphs, strict=True))  # fmt: skip
    points = vectors.points.astype(np.float64) * scale
    pieces = np.split(points, vectors.starts[1:]) if len(vectors.starts) else []
    strokes = tuple(
        Stroke(piece, box_of(piece), int(path), number)
        for number, (piece, path) in enumerate(zip(pieces, vectors.objects, strict=True))
    )
    is_end = np.zeros(max(len(points) - 1, 0), bool)
    if len(vectors.starts) > 1:
        is_end[vectors.starts[1:] - 1] = True
    level, upright = straight_lines(points[:-1][~is_end], points[1:][~is_end], 0.4 * scale)
    return VectorPage(
        vectors.width_pt * scale, vectors.height_pt * scale, glyphs, strokes, level, upright
    )


def _glyph(letter: str, row: FloatArray) -> Glyph:
    x1, y1, x2, y2, x, y, angle_deg, size = (float(each) for each in row)
    if abs(angle_deg / 90 - round(angle_deg / 90)) < 0.01:
        corners = turned(np.array([[x1, y1], [x2, y2]]), angle_deg)
        advance = float(corners[:, 0].max() - turned(np.array([x, y]), angle_deg)[0])
    else:  # the box of a slanting letter says little about its width
        advance = 0.55 * size
    if not letter.strip():
        advance = 0.28 * size
    return Glyph(letter, (x, y), min(max(advance, 0.1 * size), 1.2 * size), angle_deg, size)


def box_of(points: FloatArray) -> Box:
    """The upright box around points (n, 2)."""
    low, high = points.min(axis=0), points.max(axis=0)
    return Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))


def middle_of(letter: Glyph) -> FloatArray:
    """(2,) the middle of a letter on the page."""
    along = np.array([letter.advance / 2, -0.36 * letter.size])
    middle: FloatArray = turned_back(along, letter.angle_deg) + np.array(letter.origin)
    return middle
