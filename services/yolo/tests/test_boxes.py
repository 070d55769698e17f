import numpy as np
import pytest

from services.yolo.boxes import (
    oriented_corners,
    oriented_overlap,
    overlap,
    suppress,
    suppress_oriented,
)

QUARTER = np.pi / 2


def arrays(boxes, scores, class_ids):
    return np.array(boxes, np.float32), np.array(scores, np.float32), np.array(class_ids, np.int32)


def keep(boxes, scores, class_ids, iou_threshold=0.5, max_detections=300):
    return suppress(
        *arrays(boxes, scores, class_ids),
        iou_threshold=iou_threshold, max_detections=max_detections,
    ).tolist()  # fmt: skip


def test_overlap_is_intersection_over_union():
    box, others, _ = arrays([0, 0, 2, 2], [[1, 0, 3, 2], [2, 0, 4, 2], [0, 0, 2, 2]], 0)

    np.testing.assert_allclose(overlap(box, others), [1 / 3, 0, 1], atol=1e-6)


def test_boxes_without_area_do_not_divide_by_zero():
    assert keep([[1, 1, 1, 1], [1, 1, 1, 1]], [0.9, 0.8], [0, 0]) == [0, 1]


def test_worse_box_of_the_same_class_goes():
    assert keep([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]], [0.8, 0.9, 0.7], [1] * 3) == [
        1, 2,
    ]  # fmt: skip


def test_boxes_of_other_classes_stay():
    assert keep([[0, 0, 10, 10], [0, 0, 10, 10]], [0.9, 0.8], [0, 1]) == [0, 1]


def test_overlap_of_exactly_the_threshold_stays():
    assert keep([[0, 0, 2, 1], [1, 0, 2, 1]], [0.9, 0.8], [0, 0], iou_threshold=0.5) == [0, 1]


def test_box_suppressed_by_a_suppressed_box_stays():
    chain = [[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]]

    assert keep(chain, [0.9, 0.8, 0.7], [0] * 3, iou_threshold=0.4) == [0, 2]


def test_search_ends_at_the_most_detections():
    boxes = [[20 * n, 0, 20 * n + 10, 10] for n in range(5)]

    assert keep(boxes, [0.1, 0.5, 0.4, 0.3, 0.2], [0] * 5, max_detections=2) == [1, 2]


def test_nothing_gives_nothing():
    empty = np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32)

    assert suppress(*empty, iou_threshold=0.5, max_detections=5).tolist() == []


@pytest.mark.parametrize("iou_threshold", [0.3, 0.45, 0.7])
def test_choice_equals_that_of_ultralytics(iou_threshold):
    torch = pytest.importorskip("torch")
    from ultralytics.utils.nms import TorchNMS

    random = np.random.default_rng(7)
    corners = random.uniform(0, 100, (200, 2))
    boxes = np.concatenate([corners, corners + random.uniform(5, 60, (200, 2))], 1)
    boxes, scores, class_ids = arrays(boxes, random.permutation(200) / 200, [0] * 200)

    ours = suppress(
        boxes, scores, class_ids, iou_threshold=iou_threshold, max_detections=300
    ).tolist()

    theirs = TorchNMS.nms(torch.tensor(boxes), torch.tensor(scores), iou_threshold).tolist()
    assert ours == theirs


def test_oriented_overlap_equals_that_of_ultralytics():
    torch = pytest.importorskip("torch")
    from ultralytics.utils.metrics import batch_probiou

    random = np.random.default_rng(3)
    boxes = np.concatenate(
        [random.uniform(0, 60, (40, 2)), random.uniform(5, 40, (40, 2)),
         random.uniform(-QUARTER, QUARTER, (40, 1))], 1,
    ).astype(np.float32)  # fmt: skip

    ours = oriented_overlap(boxes, boxes)

    theirs = batch_probiou(torch.tensor(boxes), torch.tensor(boxes)).numpy()
    np.testing.assert_allclose(ours, theirs, atol=2e-3)  # float32 logarithms near zero distance


def test_crossed_bars_of_one_class_both_stay():
    bars = np.array([[50, 50, 80, 6, 0], [50, 50, 80, 6, QUARTER], [51, 50, 80, 6, 0]], np.float32)

    kept = suppress_oriented(
        bars, np.array([0.9, 0.8, 0.7], np.float32), np.zeros(3, np.int32),
        iou_threshold=0.5, max_detections=10,
    )  # fmt: skip

    assert kept.tolist() == [0, 1]


def test_corners_go_around_the_turned_box():
    corners = oriented_corners(np.array([[10, 20, 8, 4, QUARTER]], np.float32))

    np.testing.assert_allclose(corners[0], [[12, 16], [12, 24], [8, 24], [8, 16]], atol=1e-5)
