"""``python -m services.yolo.engines.export best.pt``: write ``best.onnx`` beside a checkpoint.

Done once, when a model is installed; the service itself never exports. The export takes batches and
canvases of any size, and must answer as the checkpoint does before it is kept.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from services.yolo.engines.choice import verification_canvases
from services.yolo.engines.probe import difference
from services.yolo.weights import Weights, check_content
from shared.cgroup import usable_cores
from shared.errors import GantryError, ModelMissing
from shared.gpu.device import Device


def export(checkpoint: Path) -> Path:
    """Write the ONNX export of a checkpoint of Ultralytics.

    Args:
        checkpoint: a ``.pt`` file.

    Returns:
        The ``.onnx`` file beside it.

    Raises:
        ModelMissing: it is no checkpoint, or its export answers differently.
    """
    if not checkpoint.is_file() or checkpoint.suffix != ".pt":
        raise ModelMissing(f"{checkpoint} is not a .pt file")
    check_content(checkpoint)
    from services.yolo.engines.onnx_model import OnnxModel
    from services.yolo.engines.torch_model import TorchModel

    threads, device = usable_cores(), Device("cpu")
    original = TorchModel(Weights(checkpoint.stem, checkpoint), device, threads)
    import ultralytics

    library: Any = ultralytics  # does not list what it exports
    model = library.YOLO(checkpoint)
    made = Path(model.export(format="onnx", dynamic=True, device="cpu", verbose=False))
    weights = Weights(checkpoint.stem, made)
    told = difference(
        original,
        OnnxModel(weights, device, threads),
        verification_canvases(weights, original.facts),
    )
    if told is not None:
        made.unlink()
        raise ModelMissing(f"the export of {checkpoint} is not kept: {told}")
    return made


def main() -> None:
    """Export the checkpoint that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m services.yolo.engines.export")
    parser.add_argument("checkpoint", type=Path)
    # Before the library is imported: no look-ups, no installing, no code from the checkpoint.
    os.environ.update(YOLO_OFFLINE="1", YOLO_AUTOINSTALL="0", ULTRALYTICS_SAFE_LOAD="1")
    try:
        made = export(parser.parse_args().checkpoint)
    except GantryError as error:
        sys.exit(error.detail)
    sys.stdout.write(f"{made}\n")


if __name__ == "__main__":
    main()
