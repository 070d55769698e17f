"""A real detector small enough to write down: it finds red, green and blue cells.

The picture is averaged over cells of 32 x 32 pixels; each cell is an anchor whose box is the cell
itself and whose three scores say how much redder, greener or bluer than the other channels it is
(1 for a pure colour, 0 for any grey, the padding included). Outputs are laid out as Ultralytics'
detection exports, so every answer of the service can be worked out by hand.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CELL = 32
CLASSES = ("red", "green", "blue")
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def save_grid_model(path: Path, *, image_size=128, shape=None, batch=None, names=CLASSES) -> Path:
    """Write the model; ``shape`` (height, width) and ``batch`` fix these axes."""
    height, width = shape or ("height", "width")
    scores = np.full((3, 3, 1, 1), -0.5, np.float32)
    for channel in range(3):
        scores[channel, channel] = 1.0
    constants = {
        "scores": scores,
        "zero": np.float32(0),
        "one": np.float32(1),
        "cell": np.float32(CELL),
        "half": np.float32(CELL / 2),
        "rows": np.int64(2),
        "columns": np.int64(3),
        "flat": np.array([0, 4 + len(CLASSES), -1], np.int64),
        "first": np.array([0], np.int64),
        "second": np.array([1], np.int64),
        "channels": np.array([1], np.int64),
    }
    cells = {"kernel_shape": [CELL, CELL], "strides": [CELL, CELL]}
    nodes = [
        helper.make_node("AveragePool", ["images"], ["mean"], **cells),
        helper.make_node("Conv", ["mean", "scores"], ["raw"], kernel_shape=[1, 1]),
        helper.make_node("Clip", ["raw", "zero", "one"], ["score"]),
        helper.make_node("Slice", ["mean", "first", "second", "channels"], ["channel"]),
        helper.make_node("Mul", ["channel", "zero"], ["zeros"]),
        helper.make_node("Add", ["zeros", "one"], ["ones"]),
        helper.make_node("Mul", ["ones", "cell"], ["side"]),
        helper.make_node("CumSum", ["side", "columns"], ["right"]),
        helper.make_node("CumSum", ["side", "rows"], ["bottom"]),
        helper.make_node("Sub", ["right", "half"], ["x"]),
        helper.make_node("Sub", ["bottom", "half"], ["y"]),
        helper.make_node("Concat", ["x", "y", "side", "side", "score"], ["grid"], axis=1),
        helper.make_node("Reshape", ["grid", "flat"], ["output0"]),
    ]
    graph = helper.make_graph(
        nodes,
        "grid",
        [_tensor("images", [batch or "batch", 3, height, width])],
        [_tensor("output0", [batch or "batch", 4 + len(CLASSES), "anchors"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    metadata = {
        "license": "CC0-1.0",
        "task": "detect",
        "stride": str(CELL),
        "imgsz": f"[{image_size}, {image_size}]",
    }
    if names is not None:
        metadata["names"] = str(dict(enumerate(names)))
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def _tensor(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def paint_cells(width, height, cells):
    """A black picture (height, width, 3) with cells {(column, row): colour name or RGB}."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for (column, row), colour in cells.items():
        rgb = COLOURS.get(colour, colour)
        pixels[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL] = rgb
    return pixels
