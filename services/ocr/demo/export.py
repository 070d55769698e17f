"""Writes the files of `demo-ocr-ko`: `python -m services.ocr.demo.export --checkpoint FILE`.

`model.onnx` carries its characters as metadata `character`, where RapidOCR looks for them;
`dict.txt` holds the same for PaddleOCR. Card and figures are written by
`services.ocr.demo.evaluate`, which measures this very file.
"""

import argparse
import logging
from pathlib import Path

import onnx
import torch

from services.ocr.demo.alphabet import CHARACTERS
from services.ocr.demo.network import Exported, Recogniser
from services.ocr.demo.render import LINE_HEIGHT_PX
from shared.onnx_weights import store_as_float16

log = logging.getLogger(__name__)

MODEL_NAME = "demo-ocr-ko"
MODEL_FOLDER = Path(__file__).parent / MODEL_NAME
_OPSET = 17


def export(checkpoint: Path, folder: Path) -> Path:
    """Write model.onnx and dict.txt from a checkpoint's averaged weights; returns the model."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    recogniser = Recogniser()
    recogniser.load_state_dict(state["average"])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    torch.onnx.export(
        Exported(recogniser).eval(),
        (torch.zeros(1, 3, LINE_HEIGHT_PX, 320),),
        str(path),
        input_names=["x"],
        output_names=["probabilities"],
        dynamic_axes={"x": {0: "batch", 3: "width"}, "probabilities": {0: "batch", 1: "steps"}},
        opset_version=_OPSET,
        dynamo=False,
    )
    model = onnx.load(path)
    store_as_float16(model)
    onnx.helper.set_model_props(
        model,
        {
            "character": "\n".join(CHARACTERS),
            "name": MODEL_NAME,
            "training_minutes": f"{state['seconds_done'] / 60:.0f}",
            "training_wall_minutes": f"{state['wall_seconds_done'] / 60:.0f}",
            "training_lines": str(state["examples_done"]),
            "training_device": state["device_name"],
        },
    )
    onnx.checker.check_model(model)
    onnx.save(model, path)
    (folder / "dict.txt").write_text("\n".join(CHARACTERS) + "\n", encoding="utf-8")
    return path


def main() -> None:
    """Entry point."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, default=Path("var/demo-ocr-ko.pt"))
    parser.add_argument("--folder", type=Path, default=MODEL_FOLDER)
    options = parser.parse_args()
    path = export(options.checkpoint, options.folder)
    log.info("%s, %.2f MB", path, path.stat().st_size / 1e6)


if __name__ == "__main__":
    main()
