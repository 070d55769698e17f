"""Feature control frames in pictures: where they are, and how their compartments are read again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.drawings.cells import Row
from services.drawings.content import FrameCells
from services.drawings.frame_shapes import FrameShape
from services.drawings.geometry import Box, Point, TurnedBox
from services.drawings.ink import Ink, Pixels
from services.drawings.lines import TextLine
from services.drawings.raster_signs import Cutting, cut_cell, sign_of_cell
from services.drawings.sheet import Sheet, scaled

CELL_PX = 60  # height of a frame's compartment there


@dataclass(frozen=True)
class RasterFrame:
    """A frame whose compartments are still to be read."""

    place: TurnedBox  # in the view
    members: tuple[Row, ...]  # the rows of cells that it is
    angle_deg: float  # direction of its text in the view
    sign: str
    rows: tuple[tuple[Cutting, ...], ...]

    @property
    def pictures(self) -> list[Pixels]:
        """What the OCR is to read, in the order in which ``read_cells`` takes it."""
        pictures = []
        for cutting in (each for row in self.rows for each in row):
            scale = CELL_PX / max(1, cutting.rest.shape[0])
            pictures += [scaled(each, scale) for each in (cutting.rest, *cutting.circled)]
        return pictures


@dataclass(frozen=True)
class SecondReading:
    """What the OCR read in the pictures of one view."""

    sheet: Sheet | None  # on which they lie; None without any
    first: int  # number of the view's first picture on the sheet
    lines: Sequence[TextLine]  # of the whole sheet

    def in_picture(self, index: int) -> list[TextLine]:
        """Lines of one picture of the view, in the sheet's pixels."""
        return self.sheet.lines_in(self.first + index, self.lines) if self.sheet else []

    def place(self, index: int) -> Box:
        """Where one picture of the view lies on the sheet."""
        assert self.sheet is not None
        return self.sheet.places[self.first + index]


def find_frames(
    pixels: Pixels,
    ink: Ink,
    shapes: Iterable[FrameShape],
    corner: Point = (0.0, 0.0),
    angle_deg: float = 0.0,
) -> list[RasterFrame]:
    """The shapes whose first cell shows a sign.

    Args:
        pixels: a view, or a part of one turned level.
        ink: of the same.
        shapes: cells that may be frames, in its pixels.
        corner: where it begins, in the frame of the view that is turned by ``angle_deg``.
        angle_deg: direction of its x axis in the view.
    """
    frames: list[RasterFrame] = []
    used: set[Row] = set()
    for shape in shapes:
        if used & {*shape.members}:
            continue
        sign = sign_of_cell(ink, shape.sign, is_upright=shape.is_upright)
        if sign is None:
            continue
        cuttings = tuple(
            tuple(cut_cell(pixels, ink, cell, is_upright=shape.is_upright) for cell in row)
            for row in shape.rows
        )
        place = TurnedBox(shape.box.moved(*corner), angle_deg)
        direction_deg = angle_deg - (0.0 if shape.is_upright else 90.0)
        frames.append(RasterFrame(place, shape.members, direction_deg, sign, cuttings))
        used.update(shape.members)
    return frames


def read_cells(frame: RasterFrame, index: int, again: SecondReading) -> tuple[FrameCells, int]:
    """The frame with its texts, and the number of the next piece."""
    rows, confidence = [], 1.0
    for row in frame.rows:
        texts = []
        for cutting in row:
            rest, sure = _text_of(again.in_picture(index))
            index += 1
            letters = ""
            for _ in cutting.circled:
                letter, letter_sure = _text_of(again.in_picture(index))
                letters += _circled(letter)
                sure = min(sure, letter_sure)
                index += 1
            texts.append(("⌀" if cutting.has_diameter else "") + rest + letters)
            confidence = min(confidence, sure)
        rows.append(tuple(texts))
    first, *further = rows
    cells = FrameCells(
        (frame.sign, *first), frame.place.around, confidence, tuple(further), frame.angle_deg
    )
    return cells, index


def _text_of(lines: Sequence[TextLine]) -> tuple[str, float]:
    inside = sorted(lines, key=lambda each: each.box.x1)
    confidence = min((each.confidence for each in inside), default=0.0)
    return "".join(each.text for each in inside).replace(" ", ""), confidence


def _circled(text: str) -> str:
    """The modifier that a circled letter means."""
    letter = text.strip().upper()[:1]
    return chr(0x24B6 + ord(letter) - ord("A")) if "A" <= letter <= "Z" else f"({text})"
