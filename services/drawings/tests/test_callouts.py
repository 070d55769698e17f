import numpy as np
import pytest

from services.drawings.callouts import group
from services.drawings.geometry import Box, TurnedBox, turned_back
from services.drawings.lines import Glyph, TextLine, join_glyphs

SLANTS = pytest.mark.parametrize("angle_deg", [0.0, -90.0, 45.0, -24.0])


def line(text, x, y, *, angle_deg=0.0, height=10.0):
    """A line whose top left is at (x, y) of a frame turned by the angle."""
    corner = turned_back(np.array([x, y], float), angle_deg)
    return TextLine(text, tuple(corner), 0.6 * height * len(text), height, angle_deg)


def texts(lines, framed=()):
    return sorted(each.text for each in group(lines, framed))


@SLANTS
def test_deviations_beside_a_size_are_stacked(angle_deg):
    lines = [
        line("⌀4.80", 0, 10, angle_deg=angle_deg),
        line("+0.1", 34, 4, angle_deg=angle_deg),
        line("0", 40, 17, angle_deg=angle_deg),
    ]

    assert texts(lines) == ["⌀4.80 +0.1\n0"]


@SLANTS
def test_deviation_above_one_on_the_sizes_own_line_is_the_upper(angle_deg):
    lines = [
        line("35.00 -0.20", 0, 14, angle_deg=angle_deg),
        line("0.00", 44, 0, angle_deg=angle_deg),
    ]

    assert texts(lines) == ["35.00 0.00\n-0.20"]


def test_deviation_below_one_on_the_sizes_own_line_is_the_lower():
    assert texts([line("12 +0.3", 0, 0), line("-0.1", 20, 13)]) == ["12 +0.3\n-0.1"]


@SLANTS
def test_two_near_sizes_one_above_the_other_are_limits(angle_deg):
    lines = [line("16.00", 0, 0, angle_deg=angle_deg), line("15.50", 0, 13, angle_deg=angle_deg)]

    assert texts(lines) == ["16.00\n15.50"]


def test_column_of_sizes_stays_apart():
    lines = [line("25.00", 0, 0), line("24.00", 0, 13), line("23.00", 0, 26)]

    assert texts(lines) == ["23.00", "24.00", "25.00"]


def test_sizes_that_differ_much_are_no_limits():
    assert texts([line("40.00", 0, 0), line("15.50", 0, 13)]) == ["15.50", "40.00"]


def test_counterbore_belongs_to_the_hole_above():
    lines = [line("4×⌀11 ↧20", 0, 0), line("⌴⌀18 ↧12", 0, 14)]

    assert texts(lines) == ["4×⌀11 ↧20\n⌴⌀18 ↧12"]


def test_halves_of_a_datum_target_belong_together():
    assert texts([line("⌀5", 0, 0), line("A1", 4, 14)]) == ["⌀5\nA1"]


def test_value_in_a_box_is_framed_and_its_neighbour_is_not():
    lines = [line("45°", 100, 100), line("30", 200, 100)]

    framed = {
        each.text: each.is_framed for each in group(lines, [TurnedBox(Box(97, 97, 122, 113))])
    }

    assert framed == {"45°": True, "30": False}


def glyphs(text, x, y, *, size=10.0, advance=5.0):
    return [
        Glyph(letter, (x + advance * place, y), advance, 0.0, size)
        for place, letter in enumerate(text)
    ]


def test_letters_on_one_baseline_are_a_line_with_its_spaces():
    found = join_glyphs([*glyphs("12.5", 0, 0), *glyphs("H7", 24, 0.5), *glyphs("3", 80, 0)])

    assert sorted(each.text for each in found) == ["12.5 H7", "3"]


def test_letters_of_other_size_or_baseline_are_other_lines():
    found = join_glyphs([*glyphs("12", 0, 0), *glyphs("A", 11, 0, size=30), *glyphs("7", 11, 6)])

    assert sorted(each.text for each in found) == ["12", "7", "A"]
