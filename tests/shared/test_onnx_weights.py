import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from shared.onnx_weights import store_as_float16


def _scaling_model(weights):
    """y = x * weights."""
    shape = list(weights.shape)
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "weights"], ["y"])],
        "scaling",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(weights, "weights")],
    )
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def _run(model, x):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x})[0]


def test_halved_model_answers_as_before_within_float16_rounding():
    weights = np.random.default_rng(1).normal(size=(30, 40)).astype(np.float32)
    model, x = _scaling_model(weights), np.ones((30, 40), np.float32)
    before, size = _run(model, x), model.ByteSize()

    changed = store_as_float16(model)

    onnx.checker.check_model(model)
    assert changed == 1
    assert model.ByteSize() < 0.6 * size
    np.testing.assert_allclose(_run(model, x), before, rtol=2**-11)  # half a unit of 11 bits


def test_small_weights_stay_as_they_are():
    model = _scaling_model(np.ones((4, 4), np.float32))

    assert store_as_float16(model) == 0


def test_weights_beyond_float16_are_refused():
    model = _scaling_model(np.full((30, 40), 1e6, np.float32))

    with pytest.raises(ValueError, match="do not fit into float16"):
        store_as_float16(model)
