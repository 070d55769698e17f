"""Choose among lines that the OCR read: no doubles, and no strokes of the drawing."""

from collections.abc import Sequence
from dataclasses import replace

from services.drawings.geometry import Box
from services.drawings.grammar import Unread, read
from services.drawings.ink import Pixels, find_ink, find_shapes
from services.drawings.lines import TextLine

DOUBLE = 0.3  # lines that share more of their area are two readings of one
LIKE_STROKES = frozenset("1Il|!/\\-—_.,'")
AROUND = 0.6  # how far around a stroke its ink is followed, in its heights


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


def without_strokes(pixels: Pixels, lines: Sequence[TextLine]) -> list[TextLine]:
    """The lines without those that are pieces of longer drawn lines, read as 1 or a bar."""
    return [each for each in lines if not _is_stroke(pixels, each)]


def _is_stroke(pixels: Pixels, line: TextLine) -> bool:
    if not set(line.text) <= LIKE_STROKES:
        return False
    box = line.box
    reach = AROUND * max(box.width, box.height)
    around = box.grown(reach)
    left, top = max(0, int(around.x1)), max(0, int(around.y1))
    crop = pixels[top : int(around.y2), left : int(around.x2)]
    if not crop.size:
        return True
    own = box.moved(-left, -top)
    height, width = crop.shape[:2]
    return any(
        each.box.overlap(own) > 0 and _runs_on(each.box, own, width, height)
        for each in find_shapes(find_ink(crop))
    )


def _runs_on(shape: Box, own: Box, width: int, height: int) -> bool:
    """Whether a shape leads through its own box and on to an edge of the picture around."""
    is_level = shape.x1 < own.centre[0] < shape.x2 and (shape.x1 < 1 or shape.x2 > width - 1)
    is_upright = shape.y1 < own.centre[1] < shape.y2 and (shape.y1 < 1 or shape.y2 > height - 1)
    return is_level or is_upright
