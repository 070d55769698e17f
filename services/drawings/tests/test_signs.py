import math

import numpy as np
import pytest

from services.drawings.ink import Shape, find_ink, find_shapes, thinned
from services.drawings.raster_signs import is_diameter
from services.drawings.signs import (
    COUNTERBORE,
    DEPTH,
    FRAME_SIGNS,
    SIGNS_IN_TEXT,
    match_points,
    match_sign,
)
from services.drawings.tests.sheets import draw_sign, draw_slashed_o, paper, pixels, write
from shared.gdt_signs import DIAMETER

EVERY_SIGN = pytest.mark.parametrize("sign", FRAME_SIGNS, ids=lambda each: each.name)


def strokes_of(sign, scale=20.0, stretch=1.0):
    return [
        np.array(each) * [scale * stretch, scale] + [300, 200]
        for each in (*sign.strokes, *sign.fills)
    ]


@EVERY_SIGN
@pytest.mark.parametrize("stretch", [0.85, 1.0, 1.2])
def test_drawn_sign_is_recognised_in_any_size_and_slightly_other_shape(sign, stretch):
    if sign.name in ("circularity", "concentricity", "position") and stretch != 1.0:
        stretch = 1.02  # round signs are always round

    assert match_sign(strokes_of(sign, stretch=stretch), FRAME_SIGNS).character == sign.character


@EVERY_SIGN
def test_scanned_sign_is_recognised_by_the_middle_of_its_lines(sign):
    image, pen = paper(90, 90)
    draw_sign(pen, sign.character, 15, 15, 60, width=4)
    ink = find_ink(pixels(image))

    points = np.concatenate(
        [Shape(each.box, thinned(each.ink)).points for each in find_shapes(ink)]
    )

    assert match_points(points, FRAME_SIGNS).character == sign.character


@pytest.mark.parametrize("sign", [DIAMETER, COUNTERBORE, DEPTH], ids=lambda each: each.name)
def test_sign_among_letters_is_recognised(sign):
    assert match_sign(strokes_of(sign), SIGNS_IN_TEXT).character == sign.character


@pytest.mark.parametrize(
    "corners",
    [
        [(0, 0), (30, 0), (30, 8), (0, 8), (0, 0)],
        [(0, 0), (8, 14), (16, 0), (24, 14), (32, 0)],
        [(x, 10 * math.sin(x / 2)) for x in range(40)],
    ],
    ids=["long box", "zigzag", "wave"],
)
def test_what_is_no_sign_is_none(corners):
    assert match_sign([np.array(corners, float)], FRAME_SIGNS) is None


def test_a_single_point_is_no_sign():
    assert match_sign([np.array([[3.0, 3.0], [3.0, 3.0]])], FRAME_SIGNS) is None


@pytest.mark.parametrize("letter", list("0O468935CDGQ"))
def test_letters_are_not_taken_for_a_diameter(letter):
    image, pen = paper(80, 80)
    write(pen, 20, 10, letter, size=48)

    shapes = list(find_shapes(find_ink(pixels(image))))

    assert not any(is_diameter(each) for each in shapes)


def test_letter_for_the_diameter_is_one():
    image, pen = paper(80, 80)
    draw_slashed_o(pen, 20, 20, 36)

    assert [is_diameter(each) for each in find_shapes(find_ink(pixels(image)))] == [True]
