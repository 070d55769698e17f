"""Boxes, and the turned frames of reference that drawings write their text in.

Everything is in pixels of the page, origin top left, y down; angles are degrees, clockwise.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32] | NDArray[np.float64]
Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """An upright box; ``x2`` and ``y2`` are exclusive."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def width(self) -> float:
        """Extent along x."""
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        """Extent along y."""
        return self.y2 - self.y1

    @property
    def centre(self) -> Point:
        """The middle."""
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2

    @property
    def area(self) -> float:
        """In square pixels."""
        return self.width * self.height

    def holds(self, point: Point, margin: float = 0.0) -> bool:
        """Whether ``point`` lies inside the box grown by ``margin``."""
        return (
            self.x1 - margin <= point[0] <= self.x2 + margin
            and self.y1 - margin <= point[1] <= self.y2 + margin
        )

    def grown(self, margin: float) -> "Box":
        """The box with ``margin`` more on every side."""
        return Box(self.x1 - margin, self.y1 - margin, self.x2 + margin, self.y2 + margin)

    def times(self, scale: float) -> "Box":
        """The same on a picture of another size."""
        return Box(self.x1 * scale, self.y1 * scale, self.x2 * scale, self.y2 * scale)

    def moved(self, x: float, y: float) -> "Box":
        """The same elsewhere on the page."""
        return Box(self.x1 + x, self.y1 + y, self.x2 + x, self.y2 + y)

    def overlap(self, other: "Box") -> float:
        """Area that both cover, in square pixels."""
        width = min(self.x2, other.x2) - max(self.x1, other.x1)
        height = min(self.y2, other.y2) - max(self.y1, other.y1)
        return max(0.0, width) * max(0.0, height)


def around(boxes: Iterable[Box]) -> Box:
    """The smallest box around all; there is at least one."""
    listed = list(boxes)
    return Box(
        min(each.x1 for each in listed),
        min(each.y1 for each in listed),
        max(each.x2 for each in listed),
        max(each.y2 for each in listed),
    )


def turned(points: FloatArray, angle_deg: float) -> FloatArray:
    """Points (…, 2) in a frame whose x axis runs at ``angle_deg`` on the page."""
    angle = math.radians(angle_deg)
    cos, sin = math.cos(angle), math.sin(angle)
    local: FloatArray = points @ np.array([[cos, -sin], [sin, cos]])
    return local


def turned_back(points: FloatArray, angle_deg: float) -> FloatArray:
    """The reverse of ``turned``: from the turned frame to the page."""
    return turned(points, -angle_deg)


def angle_between(first_deg: float, second_deg: float) -> float:
    """Smallest turn from one direction to the other, 0 to 180."""
    return abs((first_deg - second_deg + 180.0) % 360.0 - 180.0)


@dataclass(frozen=True)
class TurnedBox:
    """A box upright in a frame whose x axis runs at ``angle_deg`` on the page."""

    box: Box  # in that frame
    angle_deg: float = 0.0

    @property
    def around(self) -> Box:
        """The upright box on the page around it."""
        x1, y1, x2, y2 = self.box.x1, self.box.y1, self.box.x2, self.box.y2
        corners = turned_back(np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]]), self.angle_deg)
        low, high = corners.min(axis=0), corners.max(axis=0)
        return Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))

    def holds(self, point: Point) -> bool:
        """Whether a point of the page lies inside."""
        x, y = turned(np.array(point), self.angle_deg)
        return self.box.holds((float(x), float(y)))

    def placed(self, scale: float, x: float, y: float) -> "TurnedBox":
        """The same on a picture of another size, then elsewhere on the page."""
        right, down = turned(np.array([x, y]), self.angle_deg)
        return TurnedBox(self.box.times(scale).moved(float(right), float(down)), self.angle_deg)


def slant_deg(angle_deg: float) -> float:
    """Degrees from the nearest level or upright direction, 0 to 45."""
    rest = angle_deg % 90.0
    return min(rest, 90.0 - rest)
