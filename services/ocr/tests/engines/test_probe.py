import numpy as np
import pytest

from services.ocr.engines.probe import faster, fastest_batch_size, finds_alike, reads_alike
from services.ocr.readings import FoundText, Reading


@pytest.mark.parametrize(
    ("batch_s", "best"),
    [
        (lambda n: 0.010 * n, 1),  # no gain: a CPU
        (lambda n: 0.010 * n**1.1, 1),  # padding makes it worse
        (lambda n: 0.008 + 0.001 * n, 16),  # a GPU: launches cost, items hardly
        (lambda n: 0.010 * max(1, n / 4), 4),  # full at four
        (lambda n: 0.030 + 0.015 * n, 1),  # slow alone: not even tried
    ],
)
def test_larger_batches_are_taken_only_where_they_pay(batch_s, best):
    now = 0.0

    def run(count):
        nonlocal now
        now += batch_s(count)

    assert fastest_batch_size(run, clock=lambda: now) == best


class Network:
    """A network whose runs take so long and answer so."""

    compute_type = "float32"

    def __init__(self, runtime, run_s, answer):
        self.runtime, self.run_s, self.answer, self.is_closed = runtime, run_s, answer, False

    def close(self):
        self.is_closed = True


@pytest.mark.parametrize(
    ("other", "chosen"),
    [
        (Network("openvino", 0.002, "text"), "openvino"),
        (Network("openvino", 0.020, "text"), "onnxruntime"),
        (Network("openvino", 0.002, "test"), "onnxruntime"),  # faster, but wrong
    ],
)
def test_faster_runtime_is_taken_only_if_it_answers_alike(other, chosen):
    now = 0.0

    def run(network):
        nonlocal now
        now += network.run_s
        return network.answer

    first = Network("onnxruntime", 0.010, "text")
    kept = faster([first, other], run, str.__eq__, clock=lambda: now)

    assert kept.runtime == chosen
    assert [each.is_closed for each in (first, other)] == [first is not kept, other is not kept]


def test_boxes_found_elsewhere_are_not_alike():
    box = np.array([[[0, 0], [50, 0], [50, 20], [0, 20]]], np.float32)

    assert finds_alike([FoundText(box)], [FoundText(box + 2)])
    assert not finds_alike([FoundText(box)], [FoundText(box + 9)])
    assert not finds_alike([FoundText(box)], [FoundText(box[:0])])


def test_reading_that_is_much_less_sure_is_not_alike():
    places = np.zeros(4, np.float32)

    assert reads_alike([Reading("text", 0.98, places)], [Reading("text", 0.95, places)])
    assert not reads_alike([Reading("text", 0.98, places)], [Reading("text", 0.60, places)])
