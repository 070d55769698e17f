import numpy as np
import pytest

from services.yolo.facts import ModelFacts
from services.yolo.letterbox import PADDING_GREY, crop_centre, fit, fit_for


def facts(**more):
    return ModelFacts(task="detect", classes=("a",), image_size=640, **more)


@pytest.mark.parametrize(
    ("size", "canvas", "padding"),
    [
        # (width, height) -> canvas (height, width), (left, top); as Ultralytics 8.4's LetterBox
        ((810, 1080), (640, 480), (0, 0)),
        ((1280, 720), (384, 640), (0, 12)),
        ((640, 425), (448, 640), (0, 11)),
        ((500, 375), (480, 640), (0, 0)),
        ((100, 7), (64, 640), (0, 9)),
        ((20000, 1), (32, 640), (0, 15)),
        ((1, 1), (640, 640), (0, 0)),
    ],
)
def test_canvas_is_the_least_multiple_of_the_stride(size, canvas, padding):
    placed = fit(*size, canvas=(640, 640), stride_px=32)

    assert (placed.canvas_height, placed.canvas_width) == canvas
    assert (placed.left, placed.top) == padding


def test_model_of_fixed_shape_gets_its_whole_canvas():
    placed = fit_for(facts(fixed_shape=(640, 640)), 1280, 720, image_size=320)

    assert (placed.canvas_height, placed.canvas_width) == (640, 640)
    assert (placed.left, placed.top) == (0, 140)


def test_padding_is_grey_and_the_picture_lies_between():
    pixels = np.full((50, 100, 3), 200, np.uint8)

    canvas = fit(100, 50, canvas=(128, 128), stride_px=32).paint(pixels)

    assert canvas.shape == (64, 128, 3)
    assert (canvas[32] == 200).all()
    assert (fit(100, 50, canvas=(128, 128), stride_px=None).paint(pixels)[0] == PADDING_GREY).all()


@pytest.mark.parametrize("size", [(810, 1080), (1283, 721), (31, 4000), (640, 640)])
def test_corners_of_the_picture_come_back_to_themselves(size):
    placed = fit(*size, canvas=(640, 640), stride_px=32)
    corners = np.array(
        [[placed.left, placed.top],
         [placed.left + placed.scaled_width, placed.top + placed.scaled_height]], np.float32,
    )  # fmt: skip

    back = placed.to_image(corners)

    np.testing.assert_allclose(back, [[0, 0], size], atol=1e-2)


def test_points_beyond_the_picture_are_moved_onto_its_border():
    placed = fit(100, 50, canvas=(128, 128), stride_px=None)

    back = placed.to_image(np.array([[-5.0, 0.0], [500.0, 500.0]], np.float32))

    np.testing.assert_array_equal(back, [[0, 0], [100, 50]])


@pytest.mark.parametrize("shape", [(40, 80, 3), (80, 40, 3), (10, 10, 3), (1, 300, 3)])
def test_middle_square_has_the_size_asked_for(shape):
    pixels = np.zeros(shape, np.uint8)

    assert crop_centre(pixels, 32).shape == (32, 32, 3)


def test_middle_square_is_cut_from_the_middle():
    pixels = np.zeros((32, 96, 3), np.uint8)
    pixels[:, 32:64] = 255

    assert (crop_centre(pixels, 32) == 255).all()
