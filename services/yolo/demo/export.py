"""Writes `demo-drawing-symbols`: `python -m services.yolo.demo.export --checkpoint FILE`.

Ultralytics writes the file, with the metadata (names, stride, task) that it reads back when it
loads a model; then the weights are stored as float16. Card and figures are written by
`services.yolo.demo.evaluate`.
"""

import argparse
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import onnx
import torch

from services.yolo.demo.classes import CLASS_NAMES
from services.yolo.demo.train import ARCHITECTURE, new_model
from services.yolo.demo.windows import TILE_PX
from shared.onnx_weights import store_as_float16

log = logging.getLogger(__name__)

MODEL_NAME = "demo-drawing-symbols"
MODEL_FOLDER = Path(__file__).parent / MODEL_NAME


def export(checkpoint: Path, folder: Path) -> Path:
    """Write model.onnx from the averaged weights of a checkpoint; returns its path."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    network: Any = new_model()
    network.load_state_dict(state["average"])
    from ultralytics.models import YOLO

    model: Any = YOLO(ARCHITECTURE, task="detect")
    network.args = {**vars(network.args), "imgsz": TILE_PX}  # saved models carry a dict
    network.task = "detect"
    model.model = network.eval()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    with tempfile.TemporaryDirectory() as scratch:
        model.model.pt_path = str(
            Path(scratch) / "model.pt"
        )  # the exporter names its file after it
        written = model.export(
            format="onnx", imgsz=TILE_PX, dynamic=True, simplify=True, opset=17, verbose=False
        )
        shutil.copyfile(written, path)
    graph = onnx.load(path)
    store_as_float16(graph)
    for key, value in (
        ("description", f"Gantry {MODEL_NAME}: a YOLO11n trained on synthetic drawings"),
        ("training_minutes", f"{state['seconds_done'] / 60:.0f}"),
        ("training_wall_minutes", f"{state['wall_seconds_done'] / 60:.0f}"),
        ("training_pictures", str(state["examples_done"])),
        ("training_device", state["device_name"]),
    ):
        _set_property(graph, key, value)
    onnx.checker.check_model(graph)
    onnx.save(graph, path)
    return path


def _set_property(graph: onnx.ModelProto, key: str, value: str) -> None:
    entry = next(
        (p for p in graph.metadata_props if p.key == key), None
    ) or graph.metadata_props.add(key=key)
    entry.value = value


def main() -> None:
    """Entry point."""
    os.environ.setdefault("YOLO_OFFLINE", "1")
    os.environ.setdefault("YOLO_AUTOINSTALL", "0")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, default=Path("var/demo-drawing-symbols.pt"))
    parser.add_argument("--folder", type=Path, default=MODEL_FOLDER)
    options = parser.parse_args()
    path = export(options.checkpoint, options.folder)
    log.info("%s, %.2f MB, %d classes", path, path.stat().st_size / 1e6, len(CLASS_NAMES))


if __name__ == "__main__":
    main()
