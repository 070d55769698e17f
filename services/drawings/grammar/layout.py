"""Where lines of text stand beside and below each other."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.drawings.grammar.sheet import Box, PlacedText

_WORD_GAP = 0.45  # of the height: what parts words of one line, not compartments
_SAME_ROW = 0.5  # of the height: how far centres of one row lie apart
_RIGHT_REACH = 12.0  # of the label's height
_BELOW_REACH = 2.5
_MISFIT = 0.35  # of the height: how far boxes of neighbours may overlap
_BELOW_RIGHT_REACH = 4.0
_BELOW_IS_FARTHER = 1.5  # a value beside a label goes before one below it


@dataclass(frozen=True)
class Neighbour:
    """A text beside or below another, and how far away in the other's heights."""

    index: int
    distance: float


def join_words(texts: Sequence[PlacedText]) -> list[PlacedText]:
    """Join words that stand in one row with no more than a blank between them.

    Args:
        texts: words or lines, in any order; empty ones are left out.

    Returns:
        Lines from top to bottom, those of a row from left to right.
    """
    lines: list[PlacedText] = []
    for row in _rows([each for each in texts if each.text.strip()]):
        line = row[0]
        for word in row[1:]:
            gap = word.box[0] - line.box[2]
            height = min(_height(word), _height(line))
            if -_MISFIT * height <= gap <= _WORD_GAP * height and _are_alike(word, line):
                line = _joined(line, word)
            else:
                lines.append(line)
                line = word
        lines.append(line)
    return lines


def neighbours(lines: Sequence[PlacedText], index: int) -> list[Neighbour]:
    """The nearest text right of a line and the nearest below it, as far as they are near.

    Args:
        lines: all lines.
        index: of the line whose neighbours are sought.

    Returns:
        At most two, the nearer first.
    """
    label = lines[index].box
    height = max(_height(lines[index]), 1e-9)
    right: list[Neighbour] = []
    below: list[Neighbour] = []
    for other, line in enumerate(lines):
        if other == index:
            continue
        box = line.box
        gap = (box[0] - label[2]) / height
        if _share(label, box, axis=1) >= 0.5 and -_MISFIT <= gap <= _RIGHT_REACH:
            right.append(Neighbour(other, max(gap, 0.0)))
        aside = max(gap, 0.0)
        gap = (box[1] - label[3]) / height
        is_under = _share(label, box, axis=0) > 0.2 or 0 < aside <= _BELOW_RIGHT_REACH
        if is_under and -_MISFIT <= gap <= _BELOW_REACH:
            below.append(Neighbour(other, _BELOW_IS_FARTHER + max(gap, 0.0) + aside))
    nearest = [min(side, key=lambda each: each.distance) for side in (right, below) if side]
    return sorted(nearest, key=lambda each: each.distance)


def lines_below(lines: Sequence[PlacedText], index: int, most: int) -> list[int]:
    """Lines that go on below a line: as high as it, close under it and not beside it.

    Args:
        lines: all lines.
        index: of the first line.
        most: how many further lines at most.
    """
    found: list[int] = []
    last = index
    while len(found) < most:
        box, height = lines[last].box, _height(lines[last])
        under = [
            other
            for other, line in enumerate(lines)
            if other != last
            and _are_alike(line, lines[last])
            and _share(box, line.box, axis=0) > 0.2
            and -0.5 * height <= line.box[1] - box[3] <= 0.5 * height
        ]
        if len(under) != 1:
            break
        last = under[0]
        found.append(last)
    return found


def _rows(texts: list[PlacedText]) -> list[list[PlacedText]]:
    rows: list[list[PlacedText]] = []
    centre = 0.0
    for text in sorted(texts, key=_centre):
        if rows and _centre(text) - centre <= _SAME_ROW * _height(text):
            rows[-1].append(text)
        else:
            rows.append([text])
            centre = _centre(text)
    return [sorted(row, key=lambda each: each.box[0]) for row in rows]


def _joined(first: PlacedText, second: PlacedText) -> PlacedText:
    a, b = first.box, second.box
    box: Box = (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))
    return PlacedText(f"{first.text} {second.text}", box, min(first.confidence, second.confidence))


def _are_alike(first: PlacedText, second: PlacedText) -> bool:
    """Whether two words have about the same height: a label and its value often do not."""
    heights = sorted((_height(first), _height(second)))
    return heights[0] >= 0.75 * heights[1]


def _share(first: Box, second: Box, *, axis: int) -> float:
    """Overlap along an axis over the shorter of the two extents."""
    overlap = min(first[axis + 2], second[axis + 2]) - max(first[axis], second[axis])
    shorter = min(first[axis + 2] - first[axis], second[axis + 2] - second[axis])
    return overlap / shorter if shorter > 0 else 0.0


def _height(text: PlacedText) -> float:
    return text.box[3] - text.box[1]


def _centre(text: PlacedText) -> float:
    return (text.box[1] + text.box[3]) / 2
