import subprocess
import sys

import pytest

from services.yolo.engines.export import export
from services.yolo.facts import ModelFacts
from services.yolo.tests.random_checkpoint import save_random_checkpoint
from shared.errors import ModelMissing


def command(path):
    return subprocess.run(
        [sys.executable, "-m", "services.yolo.engines.export", str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_export_takes_any_batch_and_shape_and_is_preferred(engine_of, tmp_path):
    folder = tmp_path / "yolo" / "mine"
    folder.mkdir(parents=True)
    checkpoint = save_random_checkpoint(folder, "yolo11n")

    done = command(checkpoint)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(checkpoint.with_suffix(".onnx"))
    engine, info = engine_of("mine", engine="onnxruntime", device="cpu")
    engine.warm_up()
    assert dict(info.details)["runtime"] == "onnxruntime"
    _, in_torch = engine_of("mine", engine="torch", device="cpu")
    assert dict(in_torch.details)["runtime"] == "torch"
    assert ModelFacts.of(info).fixed_shape is None
    assert len(ModelFacts.of(info).classes) == 80


def test_file_that_is_no_checkpoint_is_not_exported(tmp_path):
    path = tmp_path / "best.pt"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")

    with pytest.raises(ModelMissing, match="Git LFS pointer"):
        export(path)


def test_command_says_what_is_wrong(tmp_path):
    done = command(tmp_path / "best.pt")

    assert done.returncode == 1
    assert "best.pt is not a .pt file" in done.stderr
