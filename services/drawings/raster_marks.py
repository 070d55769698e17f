"""Mend what the OCR makes of ⌀ and °: it takes them for letters, or leaves them out."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from services.drawings.geometry import turned_back
from services.drawings.ink import (
    Ink,
    Pixels,
    Shape,
    find_ink,
    find_shapes,
    upright_crop,
    without_long_runs,
)
from services.drawings.lines import TextLine
from services.drawings.raster_signs import disc_holes, is_diameter

REACH = 1.6  # how far to the left of a line a ⌀ is looked for, in heights of its letters
LIKE_DIAMETER = "0OoQDΦφØøθΘ∅@"
COUNT = re.compile(r"\s*\(?\d+\s*[xX×]\s*")
SIZE = re.compile(r"\d")
MOST_LETTERS = 40
LONG = 1.7  # runs of ink of this many heights are drawn lines; the ink looked at is two high
DEGREE_REACH = 0.9  # how far to the right of a line a ° is looked for, in heights
DEGREE_HOLE = (0.12, 0.5)  # diameter of the hole in °, in heights
CHANCE_DEG = 8.0
LIKE_DEGREE = "0oOQ9CDº"
ANGLE = re.compile(r"\d{1,3}(?:[.,]\d{1,3})?[oOQCDº]?")
BANDS = ((0.25, 1.75), (0.25, 1.62), (0.25, 1.5))
"""Of the ink around a line, in heights: ⌀ without what touches it further away."""
TALL = 0.65  # height of a digit's ink, in heights; that of ° is less


def with_diameters(pixels: Pixels, lines: Sequence[TextLine]) -> list[TextLine]:
    """Lines with the ⌀ that is drawn before a number or after a count."""
    return [_with_diameter(pixels, line) for line in lines]


def with_degrees(pixels: Pixels, lines: Sequence[TextLine]) -> list[TextLine]:
    """Lines with the ° that is drawn behind a number."""
    return [
        _with_degree(pixels, _levelled(line)) if ANGLE.fullmatch(line.text) else line
        for line in lines
    ]


def _levelled(line: TextLine) -> TextLine:
    """A line made level or upright, if it slants only as boxes of few letters do by chance."""
    angle_deg = 90.0 * round(line.angle_deg / 90.0)
    if not 0 < abs(line.angle_deg - angle_deg) < CHANCE_DEG:
        return line
    middle = line.polygon.mean(axis=0)
    half = turned_back(np.array([line.length, line.height]) / 2, angle_deg)
    corner = middle - half
    return replace(line, corner=(float(corner[0]), float(corner[1])), angle_deg=angle_deg)


def _with_degree(pixels: Pixels, line: TextLine) -> TextLine:
    height, reach = line.height, DEGREE_REACH * line.height
    ink = _ink_along(pixels, line, 0.3 * height, line.length + reach)
    least, most = (share * height for share in DEGREE_HOLE)
    for hole in disc_holes(ink, least):
        x, y = hole.box.centre[0] - 0.3 * height, hole.box.centre[1] - 0.5 * height
        is_raised = hole.box.height < most and -0.1 * height < y < 0.45 * height
        if not is_raised or x < line.length - height or _has_ink_below(ink, hole, height):
            continue
        digits = _digits_before(ink, hole, height)
        is_ring_read = line.text[-1] in LIKE_DEGREE and digits < sum(
            each.isalnum() for each in line.text
        )
        text = line.text[:-1] if is_ring_read else line.text
        return replace(line, text=f"{text}°", length=max(line.length, x + hole.box.width))
    return line


def _has_ink_below(ink: Ink, hole: Shape, height: float) -> bool:
    """Whether something stands under a ring, as in 9."""
    top, bottom = round(hole.box.y2 + 0.25 * height), round(1.4 * height)
    below = ink[top:bottom, round(hole.box.x1) : round(hole.box.x2)]
    return bool(below.any(axis=1).sum() > 0.3 * max(1, len(below)))


def _digits_before(ink: Ink, hole: Shape, height: float) -> int:
    left = ink[:, : max(0, round(hole.box.x1 - 0.1 * height))]
    return sum(
        TALL * height < each.box.height < 1.4 * height and each.box.width < height
        for each in find_shapes(left, 8)
    )


def _ink_along(pixels: Pixels, line: TextLine, before: float, length: float) -> Ink:
    """Ink around a line, upright, without drawn lines.

    It begins ``before`` the line, and half a height above; it is two heights high.
    """
    height = line.height
    start = turned_back(np.array([-before, -0.5 * height]), line.angle_deg) + np.array(line.corner)
    crop = upright_crop(
        pixels, start, line.angle_deg, round(length + before), max(1, round(2.0 * height))
    )
    return without_long_runs(find_ink(crop), max(8, round(LONG * height)))


def _with_diameter(pixels: Pixels, line: TextLine) -> TextLine:
    text = line.text
    if not SIZE.search(text) or len(text) > MOST_LETTERS or "⌀" in text:
        return line
    height, reach = line.height, REACH * line.height
    ink = _ink_along(pixels, line, reach, line.length)
    for shape in _signs_in(ink, height):
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


def _signs_in(ink: Ink, height: float) -> Iterator[Shape]:
    """Shapes as large as ⌀, and such parts of shapes that reach further up or down."""
    for shape in find_shapes(ink, 8):
        if shape.box.height > 1.2 * height:
            for band in BANDS:
                yield from _signs_in_band(ink, shape, height, band)
        if 0.7 * height < max(shape.box.width, shape.box.height) < 1.8 * height:
            yield shape


def _signs_in_band(
    ink: Ink, shape: Shape, height: float, band: tuple[float, float]
) -> Iterator[Shape]:
    top, bottom = (round(each * height) for each in band)
    left = int(shape.box.x1)
    for part in find_shapes(ink[top:bottom, left : int(shape.box.x2)], 8):
        if 0.7 * height < max(part.box.width, part.box.height) < 1.8 * height:
            yield Shape(part.box.moved(left, top), part.ink)


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
