"""Outlines of the signs of geometrical tolerancing, for programs that draw them.

Few free fonts hold these signs, and CAD programs draw them as strokes anyway. Shapes follow ISO
7083 (proportions of the symbols) and ISO 1101 (which sign is which characteristic). Coordinates are
fractions of a square cell, origin top left, y down. Standard library only.
"""

import math
from dataclasses import dataclass

Point = tuple[float, float]
Stroke = tuple[Point, ...]


@dataclass(frozen=True)
class Sign:
    """One sign of a drawing.

    Attributes:
        character: the Unicode character that stands for it in text.
        name: the term of ISO 1101.
        strokes: open or closed polylines, to be drawn with the drawing's line width.
        fills: closed polygons to be filled (arrow heads).
        width: advance in cell heights; below 1 the cell is narrower than high.
    """

    character: str
    name: str
    strokes: tuple[Stroke, ...]
    fills: tuple[Stroke, ...] = ()
    width: float = 1.0


def _arc(
    x: float, y: float, radius: float, start_deg: float = 0.0, end_deg: float = 360.0
) -> Stroke:
    """Polyline of an arc; angles run clockwise on screen from the positive x axis."""
    count = max(8, int(abs(end_deg - start_deg) / 12))
    angles = (math.radians(start_deg + (end_deg - start_deg) * i / count) for i in range(count + 1))
    return tuple((x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles)


def _arrow(x0: float, y0: float, x1: float, y1: float) -> tuple[Stroke, Stroke]:
    """Shaft and filled head of an arrow that ends at (x1, y1)."""
    length = math.hypot(x1 - x0, y1 - y0)
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    bx, by = x1 - 0.32 * ux, y1 - 0.32 * uy
    head = ((x1, y1), (bx - 0.09 * uy, by + 0.09 * ux), (bx + 0.09 * uy, by - 0.09 * ux), (x1, y1))
    return ((x0, y0), (bx, by)), head


_RUN_OUT = _arrow(0.2, 0.9, 0.8, 0.1)
_TOTAL_LEFT = _arrow(0.1, 0.85, 0.55, 0.1)
_TOTAL_RIGHT = _arrow(0.45, 0.85, 0.9, 0.1)

CHARACTERISTICS: tuple[Sign, ...] = (
    Sign("⏤", "straightness", (((0.05, 0.5), (0.95, 0.5)),)),
    Sign("⏥", "flatness", (((0.0, 0.75), (0.3, 0.25), (1.0, 0.25), (0.7, 0.75), (0.0, 0.75)),)),
    Sign("○", "circularity", (_arc(0.5, 0.5, 0.38),)),
    Sign(
        "⌭",
        "cylindricity",
        (_arc(0.5, 0.5, 0.26), ((0.08, 0.92), (0.36, 0.06)), ((0.64, 0.94), (0.92, 0.08))),
    ),
    Sign("⌒", "line profile", (_arc(0.5, 0.72, 0.44, 180, 360),)),
    Sign("⌓", "surface profile", ((*_arc(0.5, 0.72, 0.44, 180, 360), (0.06, 0.72)),)),
    Sign("∠", "angularity", (((0.95, 0.15), (0.05, 0.82), (0.95, 0.82)),)),
    Sign("⟂", "perpendicularity", (((0.5, 0.1), (0.5, 0.85)), ((0.08, 0.85), (0.92, 0.85)))),
    Sign("∥", "parallelism", (((0.18, 0.92), (0.52, 0.08)), ((0.48, 0.92), (0.82, 0.08)))),
    Sign(
        "⌖",
        "position",
        (_arc(0.5, 0.5, 0.27), ((0.5, 0.02), (0.5, 0.98)), ((0.02, 0.5), (0.98, 0.5))),
    ),
    Sign("◎", "concentricity", (_arc(0.5, 0.5, 0.4), _arc(0.5, 0.5, 0.21))),
    Sign(
        "⌯",
        "symmetry",
        (((0.25, 0.27), (0.75, 0.27)), ((0.02, 0.5), (0.98, 0.5)), ((0.25, 0.73), (0.75, 0.73))),
    ),
    Sign("↗", "circular run-out", (_RUN_OUT[0],), (_RUN_OUT[1],)),
    Sign(
        "⌰",
        "total run-out",
        (_TOTAL_LEFT[0], _TOTAL_RIGHT[0], ((0.1, 0.85), (0.45, 0.85))),
        (_TOTAL_LEFT[1], _TOTAL_RIGHT[1]),
    ),
)

DIAMETER = Sign("⌀", "diameter", (_arc(0.45, 0.52, 0.33), ((0.12, 0.95), (0.78, 0.09))), (), 0.9)

SIGNS: dict[str, Sign] = {sign.character: sign for sign in (*CHARACTERISTICS, DIAMETER)}
