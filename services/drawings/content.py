"""What stands on one page, before anything of it is read: the same for PDF text and for OCR."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from services.drawings.cells import Row
from services.drawings.frame_shapes import FrameShape
from services.drawings.geometry import Box, FloatArray, TurnedBox
from services.drawings.lines import TextLine

LONG = 0.6  # of the page's side: lines of the border
EDGE = 0.12  # share of the page's side in which its border is looked for
BORDER = 0.03  # widest strip between the two lines of the border, as a share of the longer side


@dataclass(frozen=True)
class FrameCells:
    """A feature control frame, cell by cell."""

    cells: tuple[str, ...]  # the first is the sign of the characteristic
    box: Box
    confidence: float = 1.0
    rows: tuple[tuple[str, ...], ...] = ()  # further rows behind the same sign
    angle_deg: float = 0.0  # direction of its text


@dataclass(frozen=True)
class PageContent:
    """Text and boxes of one page, in its pixels."""

    page: int  # from 1
    width: float
    height: float
    dpi: int | None  # None for a picture
    lines: tuple[TextLine, ...]  # those of frames left out
    frames: tuple[FrameCells, ...] = ()
    boxed: tuple[TurnedBox, ...] = ()  # cells that stand alone
    tables: tuple[Box, ...] = ()  # title block, parts list
    border: Box | None = None  # inner edge of the sheet's border

    def with_view(self, view: "PageContent", box: Box, scale: float) -> "PageContent":
        """The page with what stands in one of its views.

        Args:
            view: in its own pixels.
            box: where the view lies on the page.
            scale: pixels of the view for one of the page.
        """

        def placed(inside: Box) -> Box:
            return inside.times(1 / scale).moved(box.x1, box.y1)

        lines = [each.times(1 / scale).moved(box.x1, box.y1) for each in view.lines]
        return replace(
            self,
            lines=(*self.lines, *lines),
            frames=(
                *self.frames, *(replace(each, box=placed(each.box)) for each in view.frames)
            ),
            boxed=(*self.boxed, *(each.placed(1 / scale, box.x1, box.y1) for each in view.boxed)),
            tables=(*self.tables, *map(placed, view.tables)),
        )  # fmt: skip


def find_frames(
    shapes: Iterable[FrameShape],
    sign_in: Callable[[Box, bool], str | None],
    text_in: Callable[[Box, bool], tuple[str, float]],
) -> tuple[list[FrameCells], set[Row]]:
    """Rows whose first cell shows the sign of a characteristic.

    Args:
        shapes: cells that may be frames.
        sign_in: the sign drawn in a cell, which is upright or not.
        text_in: the text in a cell, and its confidence.

    Returns:
        The frames, and the rows that they were.
    """
    frames: list[FrameCells] = []
    used: set[Row] = set()
    for shape in shapes:
        sign = None if used & {*shape.members} else sign_in(shape.sign, shape.is_upright)
        if sign is None:
            continue
        read = [[text_in(cell, shape.is_upright) for cell in row] for row in shape.rows]
        first, *further = [tuple(text for text, _ in row) for row in read]
        confidence = min(sure for row in read for _, sure in row)
        angle_deg = 0.0 if shape.is_upright else -90.0
        frames.append(FrameCells((sign, *first), shape.box, confidence, tuple(further), angle_deg))
        used.update(shape.members)
    return frames, used


def lone_cells(rows: Iterable[Row], angle_deg: float = 0.0) -> list[TurnedBox]:
    """Cells that no other cell touches in their row, whichever way the row runs.

    Args:
        rows: rows of cells, in a frame whose x axis runs at ``angle_deg`` on the page.
        angle_deg: direction of that frame.
    """
    alone = {row.cells[0] for row in rows if len(row.cells) == 1 and row.is_upright}
    ordered = sorted(alone, key=lambda each: (each.y1, each.x1))
    return [TurnedBox(each, angle_deg) for each in ordered]


def find_border(level: FloatArray, upright: FloatArray, width: float, height: float) -> Box | None:
    """Inner edge of the sheet's border, from its long lines; None if a side is missing.

    Args:
        level: (n, 3) lines (y, x1, x2).
        upright: (n, 3) lines (x, y1, y2).
        width: of the page.
        height: of the page.
    """
    strip = BORDER * max(width, height)
    sides = []
    for lines, across, along in ((level, height, width), (upright, width, height)):
        long = [float(place) for place, low, high in lines if high - low > LONG * along]
        begin = sorted(each for each in long if each < EDGE * across)
        end = sorted(across - each for each in long if each > (1 - EDGE) * across)
        if not begin or not end:
            return None
        sides.append((_inner(begin, strip), across - _inner(end, strip)))
    (top, bottom), (left, right) = sides
    return Box(left, top, right, bottom)


def _inner(places: Sequence[float], strip: float) -> float:
    """The second line from the edge, if it runs near the first: marks of zones stand between."""
    return next((each for each in places[1:2] if each - places[0] < strip), places[0])


def without_zone_marks(content: PageContent) -> list[TextLine]:
    """The lines but for the letters and numbers of zones along the border."""
    edge = Box(
        EDGE * content.width, EDGE * content.height,
        (1 - EDGE) * content.width, (1 - EDGE) * content.height,
    )  # fmt: skip
    near_edge = [
        line for line in content.lines
        if len(line.text.strip()) <= 2 and not edge.holds(line.box.centre)
    ]  # fmt: skip
    marks = {id(line) for line in near_edge if any(_is_twin(line, other) for other in near_edge)}
    if content.border is not None:
        marks |= {id(each) for each in content.lines if not content.border.holds(each.box.centre)}
    return [line for line in content.lines if id(line) not in marks]


def _is_twin(line: TextLine, other: TextLine) -> bool:
    """Whether the same mark stands at the opposite edge."""
    (x, y), (other_x, other_y) = line.box.centre, other.box.centre
    distance, offset = sorted((abs(x - other_x), abs(y - other_y)), reverse=True)
    return line.text == other.text and offset < line.height and distance > 20 * line.height
