import numpy as np
import pytest

from services.yolo.facts import ModelFacts
from services.yolo.found import BatchKey
from services.yolo.predictions import read_predictions

CANVAS = 64


def facts(task="detect", **more):
    return ModelFacts(task=task, classes=("a", "b", "c"), image_size=CANVAS, **more)


def key(**more):
    options = {"confidence": 0.25, "iou_threshold": 0.5, "max_detections": 10, **more}
    return BatchKey(CANVAS, CANVAS, **options)


def columns(*anchors):
    """Raw output (rows, anchors) with anchors given as rows."""
    return np.array(anchors, np.float32).T


def test_best_class_above_the_threshold_is_found():
    raw = columns([10, 20, 4, 8, 0.1, 0.9, 0.3], [30, 30, 4, 4, 0.2, 0.2, 0.2])

    found = read_predictions([raw], facts(), key())

    np.testing.assert_allclose(found.boxes, [[8, 16, 12, 24]])
    np.testing.assert_allclose(found.scores, [0.9])
    assert found.class_ids.tolist() == [1]


def test_score_of_exactly_the_threshold_is_not_found():
    raw = columns([10, 20, 4, 8, 0.25, 0, 0])

    assert len(read_predictions([raw], facts(), key())) == 0


def test_class_filter_comes_before_suppression():
    raw = columns([10, 10, 8, 8, 0.9, 0, 0], [10, 10, 8, 8, 0, 0.8, 0], [40, 40, 8, 8, 0, 0, 0.7])

    found = read_predictions([raw], facts(), key(class_ids=(1, 2)))

    assert found.class_ids.tolist() == [1, 2]


def test_end_to_end_answers_are_only_filtered():
    raw = np.array([[0, 0, 8, 8, 0.6, 2], [0, 0, 8, 8, 0.9, 2], [0, 0, 9, 9, 0.1, 0]], np.float32)

    found = read_predictions([raw], facts(has_nms=True), key())

    np.testing.assert_allclose(found.scores, [0.9, 0.6])
    assert found.class_ids.tolist() == [2, 2]


def test_keypoints_keep_their_shape():
    raw = columns([10, 20, 4, 8, 0.9, 0, 0, 1, 2, 0.5, 3, 4, 0.75])

    found = read_predictions([raw], facts("pose", keypoint_shape=(2, 3)), key())

    np.testing.assert_allclose(found.keypoints, [[[1, 2, 0.5], [3, 4, 0.75]]])


def test_oriented_box_gives_corners_and_their_hull():
    raw = columns([32, 32, 20, 10, 0.9, 0, 0, np.pi / 2])

    found = read_predictions([raw], facts("obb"), key())

    np.testing.assert_allclose(found.boxes, [[27, 22, 37, 42]], atol=1e-4)
    assert sorted(map(tuple, found.polygons[0].round().tolist())) == [
        (27, 22), (27, 42), (37, 22), (37, 42),
    ]  # fmt: skip


def test_outline_is_that_of_the_mask_within_its_box():
    prototypes = np.full((1, 16, 16), -1.0, np.float32)
    prototypes[0, 4:8, 4:8] = 1.0  # canvas pixels 16 to 32
    prototypes[0, 12:16, 12:16] = 1.0  # outside the box
    raw = columns([24, 24, 24, 24, 0.9, 0, 0, 1.0])

    found = read_predictions([raw, prototypes], facts("segment"), key())

    outline = found.polygons[0]
    np.testing.assert_allclose(outline.min(axis=0), [16, 16], atol=2)
    np.testing.assert_allclose(outline.max(axis=0), [31, 31], atol=2)


def test_finding_with_an_empty_mask_is_dropped():
    prototypes = np.full((1, 16, 16), 1.0, np.float32)
    raw = columns([24, 24, 8, 8, 0.9, 0, 0, -1.0], [48, 48, 8, 8, 0, 0.8, 0, 1.0])

    found = read_predictions([raw, prototypes], facts("segment"), key())

    assert found.class_ids.tolist() == [1]
    assert len(found.polygons) == 1


@pytest.mark.parametrize(("wanted", "expected"), [(None, [1, 0, 2]), ((0, 2), [0, 2])])
def test_classes_are_listed_best_first(wanted, expected):
    probabilities = np.array([0.3, 0.6, 0.1], np.float32)

    found = read_predictions([probabilities], facts("classify"), key(class_ids=wanted))

    assert found.class_ids.tolist() == expected
