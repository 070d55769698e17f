"""Recognise signs that are drawn as lines: GD&T characteristics, ⌀, depth, counterbore.

A shape is compared with each sign of ISO 1101 and ISO 129-1 by the mean distance between points of
both (chamfer distance; Barrow et al. 1977), after both were brought to the same size.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from services.drawings.geometry import FloatArray
from shared.gdt_signs import CHARACTERISTICS, DIAMETER, Sign

SAMPLES_PER_SIDE = 32  # points along a stroke as long as the sign
THIN = 0.2  # a sign whose one side is below this share of the other is a line
WORST_DISTANCE = 0.065  # mean distance of points of an accepted shape, in signs
ASPECT_WEIGHT = 0.05  # what a shape twice as wide as its sign costs
CLEAR_LEAD = 1.15  # the second best sign must be this much further away


def _circle(x: float, y: float, radius: float) -> tuple[tuple[float, float], ...]:
    angles = (math.tau * step / 36 for step in range(37))
    return tuple((x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles)


COUNTERBORE = Sign("⌴", "counterbore", (((0, 0), (0, 0.5), (1, 0.5), (1, 0)),))
COUNTERSINK = Sign("⌵", "countersink", (((0, 0), (0.5, 0.5), (1, 0)),))
DEPTH = Sign(
    "↧", "depth",
    (((0.1, 0), (0.9, 0)), ((0.5, 0), (0.5, 1)), ((0.2, 0.55), (0.5, 1), (0.8, 0.55))),
)  # fmt: skip
DEPTH_FILLED = Sign(
    "↧", "depth",
    (((0.1, 0), (0.9, 0)), ((0.5, 0), (0.5, 1)), ((0.2, 0.55), (0.5, 1), (0.8, 0.55), (0.2, 0.55))),
)  # fmt: skip
SQUARE = Sign("□", "square", (((0, 0), (1, 0), (1, 1), (0, 1), (0, 0)),))

STEEP_DIAMETER = Sign(
    "⌀", "diameter", (_circle(0.5, 0.5, 0.35), ((0.3, 1.0), (0.7, 0.0))),
)  # fmt: skip


def _oval(y: float, width: float, height: float) -> tuple[tuple[float, float], ...]:
    return tuple((width * x, y + height * down) for x, down in _circle(0.5, 0.5, 0.5))


ZERO = Sign("0", "zero", (_oval(0.0, 0.5, 1.0),))
ROUND_O = Sign("O", "letter O", (_circle(0.5, 0.5, 0.5),))
SIX = Sign("6", "six", (_oval(0.38, 0.6, 0.62), ((0.05, 0.6), (0.4, 0.0))))
NINE = Sign("9", "nine", (_oval(0.0, 0.6, 0.62), ((0.55, 0.4), (0.2, 1.0))))
EIGHT = Sign("8", "eight", (_oval(0.0, 0.55, 0.48), _oval(0.48, 0.6, 0.52)))
FOUR = Sign("4", "four", (((0.5, 1), (0.5, 0), (0, 0.72), (0.68, 0.72)),))
LIKE_DIAMETER = (ZERO, ROUND_O, SIX, NINE, EIGHT, FOUR)
"""Letters that must not be taken for ⌀."""

LETTER_DIAMETER = Sign("⌀", "diameter", (_oval(0.05, 0.9, 0.9), ((0.0, 1.0), (0.9, 0.0))))

FRAME_SIGNS = CHARACTERISTICS
"""Signs that begin a feature control frame."""
DIAMETERS = (DIAMETER, STEEP_DIAMETER, LETTER_DIAMETER)
SIGNS_IN_TEXT = (DIAMETER, STEEP_DIAMETER, COUNTERBORE, COUNTERSINK, DEPTH, DEPTH_FILLED, SQUARE)
"""Signs that stand among the letters of a dimension."""


_CHARACTERS = {each.character for each in CHARACTERISTICS} | set("⊥⏊⫽∥◯")


@dataclass(frozen=True)
class SignMatch:
    """What a shape was recognised as."""

    character: str
    distance: float  # mean distance of points, in sizes of the sign


def is_sign(text: str) -> bool:
    """Whether a text is nothing but the sign of a characteristic, in one of its characters."""
    return text in _CHARACTERS


def match_sign(strokes: Sequence[FloatArray], among: Sequence[Sign]) -> SignMatch | None:
    """The sign that a shape shows; None when none is near, or two are equally near.

    Args:
        strokes: polylines (n, 2), upright, y down.
        among: signs that it may be.
    """
    return match_points(sample(strokes), among)


def match_points(points: FloatArray, among: Sequence[Sign]) -> SignMatch | None:
    """As ``match_sign``, of points (n, 2) spread evenly over the lines of the shape."""
    if len(points) < 4:
        return None
    shape, aspect = _to_unit(points)
    best: dict[str, float] = {}
    for sign in among:
        template, sign_aspect = _template(sign)
        if math.isinf(aspect) or math.isinf(sign_aspect):
            stretch = 0.0 if aspect == sign_aspect else math.inf
        else:
            stretch = abs(aspect - sign_aspect)
        distance = _chamfer(shape, template) + ASPECT_WEIGHT * stretch
        best[sign.character] = min(distance, best.get(sign.character, math.inf))
    ranked = sorted(best.items(), key=lambda each: each[1])
    character, distance = ranked[0]
    is_clear = len(ranked) == 1 or ranked[1][1] > CLEAR_LEAD * distance
    return SignMatch(character, distance) if distance <= WORST_DISTANCE and is_clear else None


def sample(strokes: Sequence[FloatArray]) -> FloatArray:
    """Evenly spaced points (n, 2) along polylines."""
    corners: FloatArray = np.concatenate([np.asarray(each, float) for each in strokes])
    extent = float((corners.max(axis=0) - corners.min(axis=0)).max())
    if extent <= 0:
        return corners[:1]
    step = extent / SAMPLES_PER_SIDE
    points = []
    for stroke in strokes:
        for start, end in zip(stroke[:-1], stroke[1:], strict=True):
            count = max(1, math.ceil(math.dist(start, end) / step))
            shares = np.arange(count)[:, None] / count
            points.append(np.asarray(start, float) * (1 - shares) + np.asarray(end, float) * shares)
        points.append(np.asarray(stroke[-1:], float))
    return np.concatenate(points)


def _to_unit(points: FloatArray) -> tuple[FloatArray, float]:
    """Points moved into the unit square, and log2 of width over height (infinite for lines)."""
    low, high = points.min(axis=0), points.max(axis=0)
    extent = high - low
    longest = float(extent.max())
    is_thin = extent < THIN * longest
    scale = np.where(is_thin, longest, np.maximum(extent, 1e-9))
    longest = max(longest, 1e-9)
    centred = (points - (low + high) / 2) / scale + 0.5
    if is_thin[0]:
        return centred, -math.inf
    if is_thin[1]:
        return centred, math.inf
    return centred, math.log2(float(extent[0] / extent[1]))


@cache
def _template(sign: Sign) -> tuple[FloatArray, float]:
    strokes = [np.array(each, float) for each in (*sign.strokes, *sign.fills)]
    return _to_unit(sample(strokes))


def _chamfer(first: FloatArray, second: FloatArray) -> float:
    """The larger of the two mean distances to the nearest point of the other set."""
    gaps = np.sqrt(((first[:, None, :] - second[None, :, :]) ** 2).sum(axis=2))
    return float(max(gaps.min(axis=1).mean(), gaps.min(axis=0).mean()))
