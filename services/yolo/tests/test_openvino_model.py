"""Answers of OpenVINO against those of ONNX Runtime, whatever graph gives them.

Tolerance: scores of the grid model are 0 to 1 and its boxes whole pixels; float32 sums in another
order.
"""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from services.yolo.engines import openvino_model
from services.yolo.engines.onnx_model import OnnxModel
from services.yolo.engines.openvino_model import OpenVinoModel
from services.yolo.sample import sample_canvas
from services.yolo.tests.grid_model import save_grid_model
from services.yolo.weights import Weights
from shared.gpu.device import Device

TOLERANCE = 1e-5
WIDE, TALL = (64, 96), (96, 64)


def both(path):
    weights = Weights("grid", path)
    original = OnnxModel(weights, Device("cpu"), 1)
    return original, OpenVinoModel(weights, original, 1, exact=True)


def assert_same(original, other, canvases):
    for expected, got in zip(original(canvases), other(canvases), strict=True):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, atol=TOLERANCE)


@pytest.fixture
def models(tmp_path):
    return both(save_grid_model(tmp_path / "grid.onnx"))


def test_answers_are_those_of_onnx_runtime(models):
    assert_same(*models, [sample_canvas(*WIDE)])


def test_graph_compiled_for_a_frequent_shape_answers_the_same(models):
    original, other = models
    canvases = [sample_canvas(*WIDE), sample_canvas(*WIDE)[::-1]]
    before = other(canvases)

    for _ in range(openvino_model.WORTH_COMPILING):
        other(canvases)
    other.finish_compiling()

    assert other.compiled_shapes == (WIDE,)
    assert_same(original, other, canvases)
    np.testing.assert_allclose(other(canvases)[0], before[0], atol=TOLERANCE)
    assert_same(original, other, [sample_canvas(*TALL)])


def test_only_so_many_shapes_are_compiled_for(models):
    _, other = models

    for columns in range(1, openvino_model.MOST_SHAPES + 3):
        for _ in range(openvino_model.WORTH_COMPILING):
            other([sample_canvas(32, 32 * columns)])
    other.finish_compiling()

    assert len(other.compiled_shapes) == openvino_model.MOST_SHAPES


def test_graph_of_a_fixed_batch_is_filled(tmp_path):
    original, other = both(save_grid_model(tmp_path / "grid.onnx", batch=2))
    canvases = [sample_canvas(*WIDE), sample_canvas(*WIDE)[::-1], sample_canvas(*WIDE)]

    for _ in range(openvino_model.WORTH_COMPILING):
        assert_same(original, other, canvases)
    other.finish_compiling()

    assert_same(original, other, canvases)


def test_half_precision_graph_takes_bytes_and_answers_in_single(tmp_path):
    pooled = helper.make_node(
        "AveragePool", ["images"], ["mean"], kernel_shape=[32, 32], strides=[32, 32]
    )
    nodes = [
        pooled,
        helper.make_node("Concat", ["mean", "mean"], ["rows"], axis=1),
        helper.make_node("Reshape", ["rows", "flat"], ["output0"]),
    ]
    shapes = {"images": ["batch", 3, "height", "width"], "output0": ["batch", 6, "anchors"]}
    infos = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT16, shape)
        for name, shape in shapes.items()
    ]
    flat = numpy_helper.from_array(np.array([0, 6, -1], np.int64), "flat")
    graph = helper.make_graph(nodes, "half", infos[:1], infos[1:], [flat])
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), tmp_path / "half.onnx")

    original, other = both(tmp_path / "half.onnx")

    expected, got = original([sample_canvas(*WIDE)])[0], other([sample_canvas(*WIDE)])[0]
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=2**-10)  # a step of half precision below 1
