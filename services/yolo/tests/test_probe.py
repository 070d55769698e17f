import itertools

import numpy as np
import pytest
from PIL import Image

from services.yolo.engines import probe
from services.yolo.engines.choice import EngineOptions, open_model, verification_canvases
from services.yolo.facts import ModelFacts
from services.yolo.sample import sample_canvas
from services.yolo.tests.grid_model import save_grid_model
from services.yolo.weights import Weights
from shared.errors import ModelMissing

CANVAS = sample_canvas(64, 64)
FACTS = ModelFacts(task="detect", classes=("a", "b"), image_size=64)
ANSWER = np.array([[10, 20], [10, 20], [5, 5], [5, 5], [0.9, 0.02], [0.1, 0.03]], np.float32)


class Answers:
    """A model that answers ``answer`` and, by ``clock``, takes ``cost_s(batch size)``."""

    runtime, device, compute_type, fixed_batch = "scripted", "cpu", "float32", None

    def __init__(self, answer=ANSWER, facts=FACTS, cost_s=lambda count: 0.0, clock=None):
        self.answer, self.facts, self.cost_s, self.clock = answer, facts, cost_s, clock

    def __call__(self, batch):
        if self.clock is not None:
            self.clock.now += self.cost_s(len(batch))
        return [np.repeat(self.answer[None], len(batch), axis=0)]


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def changed(row, column, value):
    answer = ANSWER.copy()
    answer[row, column] = value
    return Answers(answer)


def test_fastest_of_several_is_chosen(clock):
    slow = Answers(cost_s=lambda _: 0.02, clock=clock)
    fast = Answers(cost_s=lambda _: 0.01, clock=clock)

    assert probe.fastest([slow, fast], CANVAS, clock=clock) is fast


def test_slow_first_pass_does_not_decide(clock):
    passes = itertools.chain([1.0], itertools.repeat(0.01))
    fast = Answers(cost_s=lambda _: next(passes), clock=clock)
    slow = Answers(cost_s=lambda _: 0.02, clock=clock)

    assert probe.fastest([fast, slow], CANVAS, clock=clock) is fast


@pytest.mark.parametrize(
    ("cost_s", "size"),
    [
        (lambda count: 0.02 * count, 1),  # a CPU that is busy with one
        (lambda count: 0.01 + 0.001 * count, 16),  # a device that is idle with one
        (lambda count: 0.01 + max(0.001, 0.003 * (count - 4)), 4),
    ],
)
def test_batches_grow_while_a_picture_gets_clearly_cheaper(clock, cost_s, size):
    model = Answers(cost_s=cost_s, clock=clock)

    assert probe.paying_batch_size(model, CANVAS, clock=clock) == size


def test_equal_answers_do_not_differ():
    assert probe.difference(Answers(), Answers(), [CANVAS]) is None


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (changed(4, 0, 0.84), "a score differs"),
        (changed(0, 0, 12), "a box differs"),
        (changed(0, 0, np.nan), "differs"),
        (changed(2, 1, 40), "the mean answer differs"),  # of an unlikely anchor
        (Answers(ANSWER[:, :1]), "shape"),
    ],
)
def test_answer_beyond_the_tolerance_is_told(other, told):
    assert told in probe.difference(Answers(), other, [CANVAS])


def test_rows_that_change_places_do_not_differ():
    facts = ModelFacts(task="detect", classes=("a",), image_size=64, has_nms=True)
    rows = np.array([[0, 0, 9, 9, 0.8, 0], [5, 5, 9, 9, 0.79, 0]], np.float32)

    assert probe.difference(Answers(rows, facts), Answers(rows[::-1], facts), [CANVAS]) is None


def test_automatic_choice_runs_the_model(grid_model):
    forward, device = open_model(Weights("grid", grid_model), EngineOptions(device="cpu"))

    assert device.name == "cpu"
    assert forward.runtime in ("onnxruntime", "openvino")


def test_samples_beside_the_weights_are_compared_too(tmp_path):
    path = save_grid_model(tmp_path / "grid.onnx")
    (tmp_path / "samples").mkdir()
    Image.new("RGB", (50, 20), "red").save(tmp_path / "samples" / "a.png")
    facts = ModelFacts(task="detect", classes=("a",), image_size=64)

    canvases = verification_canvases(Weights("grid", path), facts)

    assert [each.shape for each in canvases] == [(64, 64, 3)] * 2


def test_sample_that_is_no_picture_is_named(tmp_path):
    path = save_grid_model(tmp_path / "grid.onnx")
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "notes.txt").write_text("no picture")

    with pytest.raises(ModelMissing, match=r"notes.txt is not a picture"):
        verification_canvases(Weights("grid", path), FACTS)
