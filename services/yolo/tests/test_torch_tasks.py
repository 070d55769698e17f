"""Every task, from a checkpoint in torch, against Ultralytics' own ``predict`` of it.

Tolerances: float32 sums in another memory layout; seen were 3e-6 in scores and 0.011 px in boxes.
"""

import numpy as np
import pytest

from services.yolo.facts import ModelFacts
from services.yolo.found import BatchKey
from services.yolo.letterbox import crop_centre, fit_for
from services.yolo.sample import sample_canvas
from services.yolo.tests.random_checkpoint import save_random_checkpoint
from services.yolo.tiling import Tile, to_picture

WIDTH, HEIGHT, SIZE = 250, 150, 160
SCORE, PIXELS = 1e-4, 0.1


@pytest.fixture(scope="module")
def picture():
    return sample_canvas(HEIGHT, WIDTH)


@pytest.fixture
def both(engine_of, tmp_path, picture):
    """Runs a task here and in Ultralytics; gives what was found and its ``Results``."""

    def run(architecture):
        path = save_random_checkpoint(tmp_path, architecture)
        from ultralytics import YOLO

        engine, info = engine_of(path, device="cpu")
        engine.warm_up()
        facts = ModelFacts.of(info)
        size = 224 if facts.task == "classify" else SIZE
        placed = fit_for(facts, WIDTH, HEIGHT, size)
        is_class = facts.task == "classify"
        canvas = crop_centre(picture, size) if is_class else placed.paint(picture)
        key = BatchKey(*canvas.shape[:2], 0.1, 0.5, 30)
        tile = Tile(0, 0, WIDTH, HEIGHT)
        found = engine.run(key, [canvas])[0]
        found = to_picture(found, placed, tile, clip_polygons=facts.task != "obb")
        theirs = YOLO(path).predict(
            picture[..., ::-1].copy(), conf=0.1, iou=0.5, max_det=30, imgsz=size,
            device="cpu", verbose=False,
        )  # fmt: skip
        return found, theirs[0]

    return run


def assert_same_boxes(found, boxes):
    assert len(found) == 30
    assert found.class_ids.tolist() == boxes.cls.int().tolist()
    np.testing.assert_allclose(found.scores, boxes.conf.numpy(), atol=SCORE)
    np.testing.assert_allclose(found.boxes, boxes.xyxy.numpy(), atol=PIXELS)


def test_end_to_end_boxes_equal(both):
    found, theirs = both("yolo26n")

    assert_same_boxes(found, theirs.boxes)


def test_keypoints_equal(both):
    found, theirs = both("yolo11n-pose")

    assert_same_boxes(found, theirs.boxes)
    np.testing.assert_allclose(found.keypoints, theirs.keypoints.data.numpy(), atol=PIXELS)


def test_outlines_lie_on_those_of_ultralytics(both):
    found, theirs = both("yolo11n-seg")

    assert_same_boxes(found, theirs.boxes)
    # Ours is the largest part of the mask, theirs all parts, joined: each of our points is one of
    # theirs to within a pixel of the canvas, where a logit is too near to zero to tell.
    for ours, whole in zip(found.polygons, theirs.masks.xy, strict=True):
        distance = np.linalg.norm(ours[:, None] - whole[None], axis=-1).min(axis=1)
        assert np.mean(distance < 2.0) > 0.98


def test_oriented_boxes_equal(both):
    found, theirs = both("yolo11n-obb")

    assert found.class_ids.tolist() == theirs.obb.cls.int().tolist()
    np.testing.assert_allclose(found.scores, theirs.obb.conf.numpy(), atol=SCORE)
    corners = theirs.obb.xyxyxyxy.numpy()
    for ours, expected in zip(found.polygons, corners, strict=True):  # they begin elsewhere
        distance = np.linalg.norm(ours[:, None] - expected[None], axis=-1)
        assert distance.min(axis=1).max() < PIXELS


def test_classes_equal(both):
    found, theirs = both("yolo11n-cls")

    assert found.class_ids.tolist() == theirs.probs.top5
    np.testing.assert_allclose(found.scores, theirs.probs.top5conf.numpy(), atol=SCORE)
