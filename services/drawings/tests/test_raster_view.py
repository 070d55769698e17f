import numpy as np
import pytest

from services.drawings.ink import find_ink, long_runs
from services.drawings.lines import TextLine
from services.drawings.raster_frames import SecondReading
from services.drawings.raster_lines import without_doubles, without_strokes
from services.drawings.raster_view import enlargement, finish
from services.drawings.raster_view import prepare as prepare_some
from services.drawings.sheet import lay_out
from services.drawings.tests.sheets import draw_sign, paper, pixels, write


def line(text, x1, y1, x2, y2, *, confidence=0.99, angle_deg=0.0):
    return TextLine(text, (x1, y1), x2 - x1, y2 - y1, angle_deg, confidence, "ocr")


def prepare(pixels, lines):
    return prepare_some(pixels, lines, most_doubtful=60)


def sheet_of(view):
    return lay_out(view.pictures)


def finished(view, pixels, again):
    return finish(view, pixels, SecondReading(sheet_of(view), 0, again), page=1)


def boxes(pen, top, *sides):
    for left, right in zip(sides, sides[1:], strict=False):
        pen.rectangle((left, top, right, top + 60), outline="black", width=3)


@pytest.fixture
def sheet():
    """A position frame with ⌀, a circled M and a datum, and a line of text."""
    image, pen = paper()
    boxes(pen, 100, 100, 160, 340, 400)
    draw_sign(pen, "⌖", 110, 110, 40)
    draw_sign(pen, "⌀", 172, 112, 38)
    write(pen, 220, 108, "0.2", size=40)
    pen.ellipse((288, 108, 332, 152), outline="black", width=3)
    write(pen, 297, 114, "M", size=30)
    write(pen, 358, 108, "A", size=40)
    write(pen, 500, 300, "25.4", size=40)
    return pixels(image)


def test_frame_is_found_by_its_lines_and_its_sign(sheet):
    page = prepare(sheet, [line("25.4", 500, 308, 580, 338)])

    (frame,) = page.frames
    assert frame.sign == "⌖"
    (cuttings,) = frame.rows
    assert [each.has_diameter for each in cuttings] == [True, False]
    assert [len(each.circled) for each in cuttings] == [1, 0]


def test_compartments_are_read_from_the_sheet_of_cuttings(sheet):
    page = prepare(sheet, [line("25.4", 500, 308, 580, 338)])
    words = ("0.2", "M", "A")
    again = [
        line(text, place.x1, place.y1, place.x2, place.y2)
        for text, place in zip(words, sheet_of(page).places, strict=False)
    ]

    content = finished(page, sheet, again)

    assert [each.cells for each in content.frames] == [("⌖", "⌀0.2Ⓜ", "A")]
    assert [each.text for each in content.lines] == ["25.4"]


@pytest.mark.parametrize("is_upright", [True, False])
def test_rows_behind_one_sign_are_one_composite_frame(is_upright):
    image, pen = paper()
    boxes(pen, 100, 160, 320, 380)
    boxes(pen, 160, 160, 320, 380)
    pen.rectangle((100, 100, 160, 220), outline="black", width=3)
    draw_sign(pen, "⌖", 110, 140, 40)
    for top, value in ((108, "0.5"), (168, "0.1")):
        write(pen, 200, top, value, size=40)
        write(pen, 338, top, "A", size=40)
    picture = pixels(image) if is_upright else np.rot90(pixels(image))
    view = prepare(picture, [line("25.4", 500, 308, 580, 338)])
    again = [
        line(text, place.x1, place.y1, place.x2, place.y2)
        for text, place in zip(("0.5", "A", "0.1", "A"), sheet_of(view).places, strict=True)
    ]

    (frame,) = finished(view, picture, again).frames

    assert frame.cells == ("⌖", "0.5", "A")
    assert frame.rows == (("0.1", "A"),)
    assert frame.angle_deg == (0.0 if is_upright else -90.0)


def test_text_inside_a_frame_is_not_read_twice(sheet):
    page = prepare(sheet, [line("00.2M A", 170, 110, 390, 150), line("25.4", 500, 308, 580, 338)])

    assert [each.text for each in page.lines] == ["25.4"]


def test_doubtful_line_is_read_again_enlarged_and_turned(sheet):
    first = line("254", 500, 308, 580, 338, confidence=0.6)
    page = prepare(sheet, [first])
    place = sheet_of(page).places[3]  # behind the three compartments: first as it is, then turned
    better = line("25.4", place.x1 + 40, place.y1 + 40, place.x2 - 40, place.y2 - 40)

    content = finished(page, sheet, [better])

    assert [each.text for each in content.lines] == ["25.4"]
    assert content.lines[0].box.overlap(first.box) > 0.5 * 80 * 30


def test_second_reading_that_is_less_sure_changes_nothing(sheet):
    page = prepare(sheet, [line("25.4", 500, 308, 580, 338, confidence=0.9)])
    place = sheet_of(page).places[3]
    worse = line("2S.4", place.x1 + 40, place.y1 + 40, place.x2 - 40, place.y2 - 40, confidence=0.5)

    content = finished(page, sheet, [worse])

    assert [each.text for each in content.lines] == ["25.4"]


def test_turned_cutting_leads_back_to_where_it_came_from(sheet):
    first = line("8", 600, 400, 630, 480, confidence=0.6)
    page = prepare(sheet, [first])
    upright, turned = page.regions[-2:]
    place = sheet_of(page).places[-1]
    better = line("8.20", place.x1 + 50, place.y1 + 50, place.x2 - 50, place.y2 - 50)

    content = finished(page, sheet, [better])

    (found,) = content.lines
    assert (upright.angle_deg, turned.angle_deg) == (0.0, -90.0)
    assert found.angle_deg == -90
    assert found.box.centre == pytest.approx(first.box.centre, abs=2)


def test_of_two_readings_of_one_place_the_surer_stays():
    kept = without_doubles(
        [line("450", 0, 0, 60, 20, confidence=0.85), line("45°", 2, 0, 58, 20, confidence=0.95)]
    )

    assert [each.text for each in kept] == ["45°"]


def test_slanting_lines_side_by_side_are_both_kept():
    first = TextLine("4x⌀6.60 -0.10", (100, 300), 200, 20, -45.0, 0.9, "ocr")
    second = TextLine("+0.40", (200, 150), 60, 20, -45.0, 1.0, "ocr")

    assert len(without_doubles([first, second])) == 2


@pytest.mark.parametrize(("heights", "scale"), [([30, 40], 1.0), ([10, 10, 12], 2.6), ([], 1.0)])
def test_views_with_small_letters_are_enlarged(heights, scale):
    assert enlargement(heights) == pytest.approx(scale)


def test_long_lines_are_found_whatever_their_width_and_letters_are_not():
    image, pen = paper(400, 300)
    pen.line((20, 100, 380, 100), fill="black", width=5)
    pen.line((50, 20, 50, 280), fill="black", width=1)
    write(pen, 200, 200, "12.5")

    level, upright = long_runs(find_ink(pixels(image)), 60)

    assert level.tolist() == [[pytest.approx(100.5, abs=0.6), 20, pytest.approx(381, abs=1)]]
    assert upright.tolist() == [[50.5, 20, 281]]


def test_white_lines_on_black_are_ink_too():
    image, pen = paper(200, 100)
    write(pen, 20, 20, "8.20")

    assert (find_ink(255 - pixels(image)) == find_ink(pixels(image))).mean() > 0.99


def test_piece_of_a_drawn_line_is_no_number():
    image, pen = paper(300, 200)
    pen.line((100, 10, 100, 190), fill="black", width=3)
    write(pen, 200, 80, "1", size=40)
    left, top, right, bottom = 206, 88, 224, 122
    alone = line("1", left, top, right, bottom)

    kept = without_strokes(pixels(image), [line("1", 92, 80, 108, 120), alone])

    assert kept == [alone]


@pytest.mark.parametrize("text", ["11", "7", "I"])
def test_text_that_stands_alone_is_kept(text):
    image, pen = paper(300, 200)
    write(pen, 100, 80, text, size=40)
    own = line(text, 100, 88, 130, 122)

    assert without_strokes(pixels(image), [own]) == [own]
