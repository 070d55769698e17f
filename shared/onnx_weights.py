"""Halves the size of an ONNX file: weights are stored as float16, computation stays in float32.

Every large initializer is followed by a Cast to float32, which ONNX Runtime and OpenVINO fold once
while loading. So speed, inputs and outputs stay as they were, unlike with a graph that computes in
float16, which CPUs run slowly. Weights are rounded to 11 significant bits: measure the file that is
written.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto

_LEAST_ELEMENTS = 256  # smaller ones are not worth a node


def store_as_float16(model: "ModelProto") -> int:
    """Change a model in place.

    Args:
        model: a model whose weights are initializers inside the file.

    Returns:
        How many initializers were changed.

    Raises:
        ValueError: a weight is beyond what float16 can hold (65,504).
    """
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < _LEAST_ELEMENTS:
            continue
        with np.errstate(over="ignore"):
            weights = numpy_helper.to_array(tensor).astype(np.float16)
        if not np.isfinite(weights).all():
            raise ValueError(f"weights of {tensor.name} do not fit into float16")
        name, stored = tensor.name, f"{tensor.name}_float16"
        tensor.CopyFrom(numpy_helper.from_array(weights, stored))
        casts.append(
            helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT, name=f"{name}_cast")
        )
    # Shapes of inner tensors take up to a fifth of a small file, and are derived on loading.
    del model.graph.value_info[:]
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return len(casts)
