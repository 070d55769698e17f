"""Mend lines that the OCR read: drop doubles, find the ⌀ it took for a letter or left out."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from services.drawings.geometry import turned_back
from services.drawings.grammar import Unread, read
from services.drawings.ink import Pixels, find_ink, find_shapes, upright_crop, without_long_runs
from services.drawings.lines import TextLine
from services.drawings.raster_signs import is_diameter

REACH = 1.6  # how far to the left of a line a ⌀ is looked for, in heights of its letters
LIKE_DIAMETER = "0OoQDΦφØøθΘ∅@"
COUNT = re.compile(r"\s*\(?\d+\s*[xX×]\s*")
SIZE = re.compile(r"\d")
MOST_LETTERS = 40
DOUBLE = 0.3  # lines that share more of their area are two readings of one
LONG = 2.2  # runs of ink of this many heights are drawn lines


def cover_each_other(line: TextLine, other: TextLine, share: float) -> bool:
    """Whether two lines share more than ``share`` of the smaller one's area.

    Slanting lines are compared in a frame turned to the first, where both are upright if they are
    parallel.
    """
    first, second = (each.box_in(line.angle_deg) for each in (line, other))
    area = min(each.length * each.height for each in (line, other))
    return first.overlap(second) > share * area


def without_doubles(lines: Sequence[TextLine]) -> list[TextLine]:
    """Of lines that cover each other, the one that says more, and says it more surely."""
    kept: list[TextLine] = []
    for line in sorted(lines, key=weight, reverse=True):
        if not any(cover_each_other(line, other, DOUBLE) for other in kept):
            kept.append(line)
    return [line for line in lines if any(line is each for each in kept)]


def weight(line: TextLine) -> float:
    """How much a reading is worth beside another of the same place.

    A doubtful letter spoils a number, so that confidence counts more than length; what the grammar
    understands is more likely to be right.
    """
    is_read = not isinstance(read(line.text), Unread)
    return (len(line.text) + 1) * line.confidence**6 * (1.5 if is_read else 1.0)


def clean(line: TextLine) -> TextLine:
    """The line without the drawn lines beside it, which the OCR reads as bars."""
    return replace(line, text=line.text.strip(" |[]"))


def with_diameters(pixels: Pixels, lines: Sequence[TextLine]) -> list[TextLine]:
    """Lines with the ⌀ that is drawn before a number or after a count."""
    return [_with_diameter(pixels, line) for line in lines]


def _with_diameter(pixels: Pixels, line: TextLine) -> TextLine:
    text = line.text
    if not SIZE.search(text) or len(text) > MOST_LETTERS or "⌀" in text:
        return line
    height, reach = line.height, REACH * line.height
    start = turned_back(np.array([-reach, -0.5 * height]), line.angle_deg) + np.array(line.corner)
    crop = upright_crop(
        pixels, start, line.angle_deg, round(line.length + reach), round(2.0 * height)
    )
    ink = without_long_runs(find_ink(crop), max(8, round(LONG * height)))
    for shape in find_shapes(ink, 8):
        size = max(shape.box.width, shape.box.height)
        if not 0.7 * height < size < 1.8 * height:
            continue
        middle = shape.box.centre[0] - reach
        if middle < 0.75 * line.length and is_diameter(shape):
            mended = _insert(text, middle / max(line.length, 1.0))
            if mended is not None:
                grown = max(0.0, reach - shape.box.x1)
                corner = turned_back(np.array([-grown, 0.0]), line.angle_deg) + np.array(
                    line.corner
                )
                return replace(
                    line, text=mended, corner=(float(corner[0]), float(corner[1])),
                    length=line.length + grown,
                )  # fmt: skip
    return line


def _insert(text: str, place: float) -> str | None:
    """The text with ⌀ at a place, given as a share of its length; None where it cannot stand."""
    count = COUNT.match(text)
    begin = count.end() if count else 0
    expected = begin / len(text)
    if abs(place - expected) > 1.6 / len(text) + 0.05 and not (begin == 0 and place < 0):
        return None
    rest = text[begin:].lstrip()
    opening = "(" if rest.startswith("(") else ""
    rest = rest.removeprefix("(")
    # A letter that the sign was taken for goes; a zero before a decimal sign is a number's own.
    if rest[:1] in LIKE_DIAMETER and rest[1:2].isdigit() and place >= expected - 0.5 / len(text):
        rest = rest[1:]
    elif rest[:1] in LIKE_DIAMETER and not rest[:1].isdigit():
        rest = rest[1:].lstrip()
    if not rest[:1].isdigit():
        return None
    return f"{text[:begin]}{opening}⌀{rest}"
