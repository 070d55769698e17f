"""Signs that stand among the letters of a PDF but are drawn: ⌀, ⌴, ↧, circled modifiers."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from services.drawings.geometry import Box, FloatArray, around, turned, turned_back
from services.drawings.lines import Glyph, TextLine, join_glyphs
from services.drawings.signs import SIGNS_IN_TEXT, match_sign
from services.drawings.vectors import Stroke, VectorPage, middle_of
from shared.gdt_signs import Sign

REACH = 3.2  # how far beside a line signs are looked for, in heights of its letters
LARGEST_SIGN = 2.5  # extent of a sign, in heights of the letters beside it
SIGNS_IN_A_ROW = 3
CIRCLED = {letter: chr(0x24B6 + ord(letter) - ord("A")) for letter in "EFLMPRSTU"}
"""Letters that mean a modifier when a circle is drawn around them (ISO 1101, ISO 2692)."""


def with_signs(page: VectorPage) -> list[Glyph]:
    """The letters of a page, with the drawn signs among them as letters of their own."""
    letters = _with_circled_letters(page)
    return [*letters, *_signs_beside(page, letters)]


def _with_circled_letters(page: VectorPage) -> list[Glyph]:
    """The letters; one inside a drawn circle becomes the modifier it stands for."""
    circles = [each.box for each in page.strokes if _is_circle(each)]
    letters = []
    for glyph in page.glyphs:
        if glyph.text not in CIRCLED:
            letters.append(glyph)
            continue
        middle = middle_of(glyph)
        ring = next(
            (ring for ring in circles
             if ring.holds((float(middle[0]), float(middle[1])), -0.3 * ring.width)
             and ring.width < 2.5 * glyph.size), None)  # fmt: skip
        if ring is None:
            letters.append(glyph)
        else:
            letters.append(_sign_glyph(CIRCLED[glyph.text], ring, glyph))
    return letters


def _is_circle(stroke: Stroke) -> bool:
    width, height = stroke.box.width, stroke.box.height
    if len(stroke.points) < 9 or min(width, height) <= 0 or not 0.9 < width / height < 1.1:
        return False
    distance = np.hypot(*(stroke.points - np.array(stroke.box.centre)).T) / (width / 2)
    return bool(np.abs(distance - 1).max() < 0.1)


def _sign_glyph(text: str, box: Box, like: Glyph) -> Glyph:
    """A sign as a letter on the baseline of ``like``."""
    corners = turned(
        np.array([[box.x1, box.y1], [box.x2, box.y1], [box.x2, box.y2], [box.x1, box.y2]]),
        like.angle_deg,
    )
    if abs(like.angle_deg / 90 - round(like.angle_deg / 90)) < 0.01:
        left, right = float(corners[:, 0].min()), float(corners[:, 0].max())
    else:  # the box of a slanting sign is wider than the sign
        middle, half = float(corners[:, 0].mean()), 0.5 * min(box.width, box.height)
        left, right = middle - half, middle + half
    baseline = float(turned(np.array(like.origin), like.angle_deg)[1])
    origin = turned_back(np.array([left, baseline]), like.angle_deg)
    return Glyph(
        text, (float(origin[0]), float(origin[1])), right - left, like.angle_deg, like.size
    )


def _signs_beside(page: VectorPage, letters: Sequence[Glyph]) -> list[Glyph]:
    """Signs drawn in line with letters; one sign may lead on to the next."""
    if not page.strokes:
        return []
    boxes = np.array(
        [[each.box.x1, each.box.y1, each.box.x2, each.box.y2] for each in page.strokes]
    )
    middles = np.array([middle_of(each) for each in letters]).reshape(-1, 2)
    free = np.ones(len(boxes), bool)
    signs: list[Glyph] = []
    for _ in range(SIGNS_IN_A_ROW):
        found = []
        for line in join_glyphs([*letters, *signs]):
            near = line.box.grown(REACH * line.height)
            is_near = (
                (boxes[:, 0] >= near.x1) & (boxes[:, 1] >= near.y1)
                & (boxes[:, 2] <= near.x2) & (boxes[:, 3] <= near.y2) & free
            )  # fmt: skip
            strokes = [page.strokes[each] for each in np.flatnonzero(is_near)]
            for shape in _shapes(strokes, line.height):
                if _encloses(around(each.box for each in shape), middles):
                    continue  # a box or circle around letters
                glyph = _sign_of(shape, line)
                if glyph is not None and all(free[each.number] for each in shape):
                    free[[each.number for each in shape]] = False
                    found.append(glyph)
        if not found:
            break
        signs += found
    return signs


def _encloses(box: Box, points: FloatArray) -> bool:
    return bool(
        ((points[:, 0] > box.x1) & (points[:, 0] < box.x2)
         & (points[:, 1] > box.y1) & (points[:, 1] < box.y2)).any()
    )  # fmt: skip


def _shapes(strokes: Sequence[Stroke], height: float) -> list[list[Stroke]]:
    """Small strokes that may be one sign: those of one path, then those that touch."""
    small = [
        each for each in strokes if max(each.box.width, each.box.height) < LARGEST_SIGN * height
    ]
    by_path: dict[int, list[Stroke]] = defaultdict(list)
    for stroke in small:
        by_path[stroke.path].append(stroke)
    touching = _touching(small, height)
    alone = [each for each in by_path.values() if len(by_path) > 1]
    return [*alone, *touching]


def _touching(strokes: Sequence[Stroke], height: float) -> list[list[Stroke]]:
    shapes: list[tuple[Box, list[Stroke]]] = []
    for stroke in strokes:
        joined, members, apart = stroke.box, [stroke], []
        for box, others in shapes:
            if joined.grown(0.12 * height).overlap(box.grown(0.02 * height)) > 0:
                joined, members = around([joined, box]), [*others, *members]
            else:
                apart.append((box, others))
        shapes = [*apart, (joined, members)]
    return [members for _, members in shapes]


def _sign_of(shape: Sequence[Stroke], line: TextLine) -> Glyph | None:
    """The sign that a shape shows, if it stands on the line."""
    polylines = [turned(each.points, line.angle_deg) for each in shape]
    points = np.concatenate(polylines)
    low, high = points.min(axis=0), points.max(axis=0)
    own = line.box_in(line.angle_deg)
    extent = float((high - low).max())
    is_in_line = low[1] > own.y1 - 0.5 * line.height and high[1] < own.y2 + 0.5 * line.height
    if not (is_in_line and 0.5 * line.height < extent < LARGEST_SIGN * line.height):
        return None
    among: Sequence[Sign] = SIGNS_IN_TEXT
    match = match_sign(polylines, among)
    if match is None:
        return None
    left, right = float(low[0]), float(high[0])
    origin = turned_back(np.array([left, own.y2]), line.angle_deg)
    size = line.height / 0.72
    return Glyph(match.character, (float(origin[0]), float(origin[1])), right - left,
                 line.angle_deg, size)  # fmt: skip
