import numpy as np
import pytest

from services.drawings.geometry import turned_back
from services.drawings.lines import TextLine
from services.drawings.raster_frames import SecondReading
from services.drawings.raster_slants import find_slanting
from services.drawings.raster_view import finish, prepare
from services.drawings.sheet import lay_out
from services.drawings.tests.sheets import draw_sign, leaning, paper, pixels, write

MIDDLE = np.array([450.0, 300.0])
SLANTS = pytest.mark.parametrize("angle_deg", [-45.0, 24.0, 68.0])


def leaning_line(text, x1, y1, x2, y2, angle_deg, *, misread_deg=0.0):
    """The line that is at the given place before the sheet is turned."""
    corner = turned_back(np.array([x1, y1]) - MIDDLE, angle_deg) + MIDDLE
    angle = angle_deg + misread_deg
    return TextLine(text, tuple(corner), x2 - x1, y2 - y1, angle, 0.99, "ocr")


@pytest.fixture(scope="module")
def sheet():
    """A position frame, and beside it a value in a box and one without."""
    image, pen = paper()
    for left, right in ((300, 360), (360, 480), (480, 540)):
        pen.rectangle((left, 270, right, 330), outline="black", width=3)
    draw_sign(pen, "⌖", 310, 280, 40)
    write(pen, 390, 278, "0.2", size=40)
    write(pen, 498, 278, "A", size=40)
    pen.rectangle((390, 180, 500, 230), outline="black", width=3)
    write(pen, 400, 186, "68.5", size=36)
    write(pen, 400, 380, "12.5", size=36)
    return image


@SLANTS
@pytest.mark.parametrize("misread_deg", [0.0, 3.0])
def test_box_around_a_slanting_value_is_found(sheet, angle_deg, misread_deg):
    boxed = leaning_line("68.5", 402, 194, 488, 220, angle_deg, misread_deg=misread_deg)
    bare = leaning_line("12.5", 402, 388, 488, 414, angle_deg)

    found = find_slanting(pixels(leaning(sheet, angle_deg)), [boxed, bare])

    (box,) = found.boxed
    assert (box.box.width, box.box.height) == pytest.approx((110, 50), abs=6)
    middle = turned_back(np.array([445.0, 205.0]) - MIDDLE, angle_deg) + MIDDLE
    assert box.around.centre == pytest.approx(tuple(middle), abs=4)


@SLANTS
def test_slanting_frame_is_read_like_a_level_one(sheet, angle_deg):
    picture = pixels(leaning(sheet, angle_deg))
    lines = [leaning_line("0.2", 392, 288, 452, 316, angle_deg)]

    view = prepare(picture, lines, most_doubtful=60)
    paper_sheet = lay_out(view.pictures)
    again = [
        TextLine(text, (place.x1, place.y1), place.width, place.height, 0.0, 0.99, "ocr")
        for text, place in zip(("0.2", "A"), paper_sheet.places, strict=True)
    ]
    content = finish(view, picture, SecondReading(paper_sheet, 0, again), page=1)

    (frame,) = content.frames
    assert frame.cells == ("⌖", "0.2", "A")
    assert frame.angle_deg == pytest.approx(angle_deg)
    middle = turned_back(np.array([420.0, 300.0]) - MIDDLE, angle_deg) + MIDDLE
    assert frame.box.centre == pytest.approx(tuple(middle), abs=4)
    assert content.lines == ()


def test_level_lines_are_not_looked_around(sheet):
    found = find_slanting(pixels(sheet), [leaning_line("68.5", 402, 194, 488, 220, 0.0)])

    assert (found.frames, found.boxed) == ((), ())
