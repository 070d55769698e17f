"""Put lines of text that belong together into callouts: deviations, limits, further lines.

Lines of one direction are looked at in a frame turned to it, so that slanting text needs no rules
of its own. What a group says is decided by the grammar; here only places count, and where places
leave a choice the grammar is asked whether the joined text means something.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.drawings.geometry import Box, TurnedBox, angle_between, around
from services.drawings.grammar import Datum, Dimension, Unread, read
from services.drawings.lines import TextLine

SAME_DIRECTION_DEG = 4.0
NUMBER = r"\d+(?:[.,]\d+)?"
DEVIATION = re.compile(rf"[+\-−–±]\s*{NUMBER}\s*°?|0(?:[.,]0+)?")
ENDS_IN_DEVIATION = re.compile(
    rf"(?P<nominal>.*\d.*\S|\S*\d)\s*(?P<last>[+\-−–]\s*{NUMBER}|\s0(?:[.,]0+)?)"
)
SIZE = re.compile(rf"(?P<sign>[⌀ØøR□]|S⌀|SR)?\s*(?P<value>{NUMBER})\s*°?")
NEAR_LIMITS = 0.2  # printed limits of one size differ by less than this share


@dataclass(frozen=True)
class Callout:
    """Text that stands together, read as one."""

    text: str  # "\n" between stacked parts
    lines: tuple[TextLine, ...]
    is_framed: bool = False

    @property
    def box(self) -> Box:
        """Upright box on the page."""
        return around(each.box for each in self.lines)

    @property
    def confidence(self) -> float:
        """That of the least sure line."""
        return min(each.confidence for each in self.lines)

    @property
    def angle_deg(self) -> float:
        """Direction of the first line."""
        return self.lines[0].angle_deg


@dataclass(frozen=True)
class _Placed:
    """A line with its box in the frame of its direction."""

    line: TextLine
    box: Box

    @property
    def height(self) -> float:
        return self.line.height

    @property
    def middle(self) -> float:
        return (self.box.y1 + self.box.y2) / 2


def group(lines: Sequence[TextLine], framed: Sequence[TurnedBox] = ()) -> list[Callout]:
    """Put lines together to callouts.

    Args:
        lines: of one page.
        framed: boxes drawn around single values.
    """
    callouts = []
    for placed in _by_direction(lines):
        callouts += _group_one_direction(placed)
    return [_framed(each, framed) for each in callouts]


def _framed(callout: Callout, boxes: Sequence[TurnedBox]) -> Callout:
    inside = any(_holds(each, callout) for each in boxes)
    return Callout(callout.text, callout.lines, is_framed=inside)


def _holds(frame: TurnedBox, callout: Callout) -> bool:
    own = around(each.box_in(frame.angle_deg) for each in callout.lines)
    drawn = frame.box.grown(0.3 * callout.lines[0].height)
    return drawn.overlap(own) > 0.95 * own.area


def _by_direction(lines: Sequence[TextLine]) -> Iterator[list[_Placed]]:
    left = list(lines)
    while left:
        angle_deg = left[0].angle_deg
        same = [
            each for each in left if angle_between(each.angle_deg, angle_deg) < SAME_DIRECTION_DEG
        ]
        left = [
            each for each in left if angle_between(each.angle_deg, angle_deg) >= SAME_DIRECTION_DEG
        ]
        yield [_Placed(each, each.box_in(angle_deg)) for each in same]


def _group_one_direction(placed: Sequence[_Placed]) -> list[Callout]:
    free = dict(enumerate(sorted(placed, key=lambda each: (each.middle, each.box.x1))))
    callouts = []
    for find in (_find_deviations, _find_limits, _find_continuation, _find_target):
        for index in list(free):
            if index in free and (found := find(index, free)) is not None:
                text, members = found
                callouts.append(Callout(text, tuple(free[each].line for each in members)))
                for each in members:
                    del free[each]
    callouts += [Callout(each.line.text, (each.line,)) for each in free.values()]
    return callouts


_Found = tuple[str, list[int]] | None


def _is_deviation(text: str) -> bool:
    return DEVIATION.fullmatch(text.strip()) is not None


def _find_deviations(index: int, free: dict[int, _Placed]) -> _Found:
    """A size whose two deviations stand one above the other."""
    nominal = free[index]
    text = nominal.line.text.strip()
    if _is_deviation(text) or not any(each.isdigit() for each in text):
        return None
    beside = [
        other for other, each in free.items()
        if other != index and _is_deviation(each.line.text) and _stands_beside(nominal, each)
    ]  # fmt: skip
    if len(beside) >= 2:
        upper, lower = sorted(beside, key=lambda each: free[each].middle)[:2]
        return (
            f"{text} {free[upper].line.text}\n{free[lower].line.text}", [index, upper, lower],
        )  # fmt: skip
    ending = ENDS_IN_DEVIATION.fullmatch(text)
    if ending is None:
        return None
    for other, each in free.items():
        if other == index or not _is_deviation(each.line.text):
            continue
        offset = each.middle - nominal.middle
        is_aligned = abs(each.box.x2 - nominal.box.x2) < 1.5 * nominal.height
        if is_aligned and 0.5 * nominal.height < abs(offset) < 1.8 * nominal.height:
            own, added = ending["last"].strip(), each.line.text.strip()
            upper_text, lower_text = (added, own) if offset < 0 else (own, added)
            return f"{ending['nominal'].strip()} {upper_text}\n{lower_text}", [index, other]
    return None


def _stands_beside(nominal: _Placed, other: _Placed) -> bool:
    gap = other.box.x1 - nominal.box.x2
    return (
        -0.6 * nominal.height < gap < 2.0 * nominal.height
        and abs(other.middle - nominal.middle) < 1.2 * nominal.height
    )


def _below(index: int, free: dict[int, _Placed]) -> Iterator[int]:
    """Lines right under one, nearest first."""
    upper = free[index]
    found = []
    for other, each in free.items():
        gap = each.middle - upper.middle
        overlap = min(each.box.x2, upper.box.x2) - max(each.box.x1, upper.box.x1)
        is_under = 0.6 * upper.height < gap < 2.0 * upper.height
        if other != index and is_under and overlap > 0:
            found.append((gap, other))
    for _, other in sorted(found):
        yield other


def _find_limits(index: int, free: dict[int, _Placed]) -> _Found:
    """Two sizes one above the other: the limits of one size."""
    upper = free[index]
    first = SIZE.fullmatch(upper.line.text.strip())
    if first is None:
        return None
    for other in _below(index, free):
        lower = free[other]
        second = SIZE.fullmatch(lower.line.text.strip())
        shared = min(upper.box.x2, lower.box.x2) - max(upper.box.x1, lower.box.x1)
        if second is None or shared < 0.5 * min(upper.box.width, lower.box.width):
            continue
        large, small = (float(each["value"].replace(",", ".")) for each in (first, second))
        is_close = 0 < abs(large - small) < NEAR_LIMITS * max(large, small)
        neighbours = [*_below(other, free), *(each for each in free if index in _below(each, free))]
        is_column = any(SIZE.fullmatch(free[each].line.text.strip()) for each in neighbours)
        if is_close and not is_column and lower.middle - upper.middle < 1.7 * upper.height:
            return f"{upper.line.text.strip()}\n{lower.line.text.strip()}", [index, other]
    return None


def _find_continuation(index: int, free: dict[int, _Placed]) -> _Found:
    """A hole callout with further lines, such as its counterbore."""
    text = free[index].line.text.strip()
    if not isinstance(read(text), Dimension):
        return None
    members, last = [index], index
    while True:
        for other in _below(last, free):
            added = free[other].line.text.strip()
            joined = read(f"{text}\n{added}")
            is_step = isinstance(joined, Dimension) and joined.steps
            is_rest = isinstance(joined, Dimension) and isinstance(read(added), Unread)
            if other not in members and (is_step or is_rest):
                text, last = f"{text}\n{added}", other
                members.append(other)
                break
        else:
            break
    return (text, members) if len(members) > 1 else None


def _find_target(index: int, free: dict[int, _Placed]) -> _Found:
    """The two halves of a datum target."""
    text = free[index].line.text.strip()
    for other in _below(index, free):
        joined = f"{text}\n{free[other].line.text.strip()}"
        if isinstance(read(joined), Datum):
            return joined, [index, other]
    return None
