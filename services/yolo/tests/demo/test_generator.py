"""The drawing generator: what training and evaluation stand on."""

from random import Random

import numpy as np
import pytest

from services.yolo.demo.accuracy import (
    Found,
    Truth,
    intersection_over_union,
    match,
    mean_average_precision,
)
from services.yolo.demo.batches import Plan, make_batch
from services.yolo.demo.classes import CLASS_ID, CLASS_NAMES
from services.yolo.demo.page import draw_page
from services.yolo.demo.windows import cut
from shared.gdt_signs import CHARACTERISTICS

pytestmark = pytest.mark.debian("NanumGothic.ttf", "DejaVuSans.ttf", "NotoSansCJK-Regular.ttc")


@pytest.fixture(scope="module")
def pages():
    return [draw_page(f"test/{index}") for index in range(60)]


def test_same_seed_draws_the_same_page(pages):
    again = draw_page("test/0")

    assert again.labels == pages[0].labels
    assert again.image.tobytes() == pages[0].image.tobytes()


def test_other_seeds_draw_other_pages(pages):
    assert len({page.image.tobytes() for page in pages}) == len(pages)


def test_every_class_is_drawn(pages):
    assert {label.class_id for page in pages for label in page.labels} == set(
        range(len(CLASS_NAMES))
    )


def test_every_characteristic_is_drawn(pages):
    frames = [
        label.text
        for page in pages
        for label in page.labels
        if label.class_id == CLASS_ID["feature_control_frame"]
    ]

    drawn = {row.split(" | ")[0] for text in frames for row in text.split(" / ")}

    assert drawn == {sign.character for sign in CHARACTERISTICS}


def test_boxes_hold_ink_and_reach_at_most_a_few_pixels_beyond_the_sheet(pages):
    for page in pages:
        pixels = np.asarray(page.image)
        for label in page.labels:
            x0, y0, x1, y1 = label.box
            assert x0 < x1
            assert y0 < y1
            assert min(x0, y0) > -40
            assert x1 < page.image.width + 40
            assert y1 < page.image.height + 40
            part = pixels[max(0, int(y0)) : int(y1) + 2, max(0, int(x0)) : int(x1) + 2]
            assert part.min() < 160, label


@pytest.mark.parametrize("whole", [True, False])
def test_window_boxes_lie_inside_the_window(pages, whole):
    rng = Random(1)

    for page in pages[:20]:
        window = cut(rng, page, whole=whole, strength=1.0)
        assert window.pixels.shape == (640, 640)
        assert window.boxes.min(initial=0) >= 0
        assert window.boxes.max(initial=0) <= 640
        assert (window.boxes[:, 2:] - window.boxes[:, :2]).min(initial=6) >= 6


def test_same_batch_number_gives_the_same_batch():
    plan = Plan(seed=1, first=0, size=3, small_until=5)

    first, second = make_batch(plan, 7), make_batch(plan, 7)

    assert np.array_equal(first.pictures.numpy(), second.pictures.numpy())
    assert np.array_equal(first.boxes.numpy(), second.boxes.numpy())


def test_batch_boxes_are_fractions_of_their_picture():
    batch = make_batch(Plan(seed=1, first=0, size=4, small_until=0), 3)

    assert float(batch.boxes.min()) >= 0
    assert float(batch.boxes.max()) <= 1
    assert batch.picture_of_box.unique().tolist() == [0, 1, 2, 3]


def test_overlap_of_boxes_is_shared_area_over_joint_area():
    a = np.array([[0, 0, 10, 10]], np.float32)
    b = np.array([[5, 0, 15, 10], [20, 20, 30, 30]], np.float32)

    assert intersection_over_union(a, b)[0].tolist() == pytest.approx([50 / 150, 0])


def test_second_box_on_the_same_thing_is_a_miss():
    truth = Truth(np.array([[0, 0, 10, 10]], np.float32), np.array([2]))
    boxes = np.array([[0, 0, 10, 9], [0, 0, 10, 10]], np.float32)
    found = Found(boxes, np.array([0.6, 0.9], np.float32), np.array([2, 2]))

    assert match(found, truth).tolist() == [False, True]


def test_perfect_answers_reach_full_average_precision():
    truth = Truth(np.array([[0, 0, 10, 10], [20, 20, 40, 30]], np.float32), np.array([0, 5]))
    found = Found(truth.boxes, np.array([0.9, 0.8], np.float32), truth.class_ids)

    assert mean_average_precision([found], [truth])["all"] == pytest.approx(0.995, abs=0.006)
