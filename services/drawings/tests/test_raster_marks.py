import numpy as np
import pytest

from services.drawings.ink import find_ink
from services.drawings.lines import TextLine
from services.drawings.raster_marks import with_degrees, with_diameters
from services.drawings.tests.sheets import draw_sign, draw_slashed_o, paper, pixels, write


def line(text, x1, y1, x2, y2):
    return TextLine(text, (x1, y1), x2 - x1, y2 - y1, 0.0, 0.99, "ocr")


def ink_box(picture):
    rows, columns = np.nonzero(find_ink(picture))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@pytest.mark.parametrize(
    ("before", "after", "read", "expected"),
    [("", "42", "042", "⌀42"), ("2x", "8", "2x08", "2x⌀8")],
)
def test_diameter_that_was_taken_for_a_letter_is_mended(before, after, read, expected):
    image, pen = paper(300, 120)
    write(pen, 40, 30, before, size=40)
    draw_slashed_o(pen, 90, 40, 30)
    write(pen, 120, 30, after, size=40)
    left, top, right, bottom = ink_box(pixels(image))

    (mended,) = with_diameters(pixels(image), [line(read, left, top, right, bottom)])

    assert mended.text == expected


def test_diameter_left_out_before_a_number_is_added_and_covered():
    image, pen = paper(300, 120)
    write(pen, 80, 30, "70.5", size=40)
    left, top, right, bottom = ink_box(pixels(image))
    draw_sign(pen, "⌀", left - 50, top - 2, 34)

    (mended,) = with_diameters(pixels(image), [line("70.5", left, top, right, bottom)])

    assert mended.text == "⌀70.5"
    assert mended.box.x1 < left - 30


def test_diameter_whose_stroke_runs_into_an_arrow_is_found():
    image, pen = paper(400, 160)
    write(pen, 120, 40, "70.5", size=48)
    left, top, right, bottom = ink_box(pixels(image))
    draw_sign(pen, "⌀", left - 50, top - 4, 42)
    pen.line((left - 70, 0, left - 70, 160), fill="black", width=3)
    pen.line((left - 70, bottom + 12, right, bottom + 12), fill="black", width=3)
    pen.polygon((left - 70, bottom + 12, left - 36, bottom + 3, left - 36, bottom + 21), "black")

    (mended,) = with_diameters(pixels(image), [line("70.5", left, top, right, bottom)])

    assert mended.text == "⌀70.5"


@pytest.mark.parametrize("read", ["45", "450", "45o", "459"])
@pytest.mark.parametrize("is_boxed", [True, False])
def test_degree_taken_for_a_letter_or_left_out_is_mended(read, is_boxed):
    image, pen = paper(300, 160)
    write(pen, 80, 40, "45", size=56)
    left, top, right, bottom = ink_box(pixels(image))
    pen.ellipse((right + 4, top - 2, right + 18, top + 12), outline="black", width=3)
    if is_boxed:  # as tight as boxes of basic dimensions often are
        pen.rectangle((left - 3, top - 6, right + 19, bottom + 8), outline="black", width=3)

    (mended,) = with_degrees(pixels(image), [line(read, left, top, right + 18, bottom)])

    assert mended.text == "45°"


@pytest.mark.parametrize(
    ("mend", "size", "text"),
    [
        *((with_diameters, 40, text) for text in ("60", "0.8", "80", "6x90")),
        *((with_degrees, 56, text) for text in ("40", "29", "450", "36", "4.50")),
    ],
)
def test_numbers_without_a_sign_stay_as_they_are(mend, size, text):
    image, pen = paper(300, 160)
    write(pen, 80, 30, text, size=size)
    left, top, right, bottom = ink_box(pixels(image))

    (same,) = mend(pixels(image), [line(text, left, top, right, bottom)])

    assert same.text == text


def test_zero_before_a_degree_that_was_left_out_stays():
    image, pen = paper(300, 160)
    write(pen, 80, 40, "40", size=56)
    left, top, right, bottom = ink_box(pixels(image))
    pen.ellipse((right + 4, top - 2, right + 18, top + 12), outline="black", width=3)

    (mended,) = with_degrees(pixels(image), [line("40", left, top, right + 18, bottom)])

    assert mended.text == "40°"
