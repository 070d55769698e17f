"""Where lines of text stand beside and below each other."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.drawings.grammar.sheet import Box, PlacedText

_WORD_GAP = 0.45  # of the height: what parts words of one line, not compartments
_SAME_ROW = 0.5  # of the height: how far centres of one row lie apart
_MISFIT = 0.35  # of the height: how far boxes of neighbours may overlap
# How far a value stands from its label, in widths of a Hangul syllable of the label: boxes may be
# tight around the ink or hold the line's leading, so their height says little.
_RIGHT_REACH = 20.0
_BELOW_REACH = 3.5
_BELOW_RIGHT_REACH = 9.0
_BELOW_IS_FARTHER = 2.5  # a value beside a label goes before one below it
_NARROW = 0.6  # width of a Latin capital or digit over that of a Hangul syllable


@dataclass(frozen=True)
class Neighbour:
    """A text beside or below another, and how far away in widths of the other's characters."""

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
    label, unit = lines[index].box, max(_em(lines[index]), 1e-9)
    misfit = _MISFIT * _height(lines[index])
    right: list[Neighbour] = []
    below: list[Neighbour] = []
    for other, line in enumerate(lines):
        if other == index:
            continue
        box = line.box
        aside, under = box[0] - label[2], box[1] - label[3]
        if _share(label, box, axis=1) >= 0.5 and -misfit <= aside <= _RIGHT_REACH * unit:
            right.append(Neighbour(other, max(aside, 0.0) / unit))
        is_under = _share(label, box, axis=0) > 0.2 or 0 < aside <= _BELOW_RIGHT_REACH * unit
        if is_under and -misfit <= under <= _BELOW_REACH * unit:
            away = (max(under, 0.0) + max(aside, 0.0)) / unit
            below.append(Neighbour(other, _BELOW_IS_FARTHER + away))
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


def _em(text: PlacedText) -> float:
    """Width of a Hangul syllable in the letters of a line, which is about its letter height."""
    widths = sum(1.0 if ord(each) >= 0x1100 else _NARROW for each in text.text.strip())
    return (text.box[2] - text.box[0]) / max(widths, _NARROW)


def _centre(text: PlacedText) -> float:
    return (text.box[1] + text.box[3]) / 2
