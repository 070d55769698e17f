import hashlib
import zipfile

import pytest

from services.yolo.tests.grid_model import save_grid_model
from services.yolo.weights import find_weights
from shared.errors import ModelMissing
from shared.models.catalog import ModelEntry, ModelFile
from shared.models.store import InstalledModel


@pytest.fixture
def checkpoint(tmp_path):
    """A folder with something that looks like a checkpoint from outside."""
    folder = tmp_path / "parts"
    folder.mkdir()
    with zipfile.ZipFile(folder / "best.pt", "w") as archive:
        archive.writestr("best/data.pkl", b"")
    return folder


def test_folder_with_one_weights_file_needs_no_manifest(checkpoint):
    weights = find_weights(InstalledModel("parts", checkpoint))

    assert weights.path == checkpoint / "best.pt"
    assert weights.name == "parts"
    assert not weights.is_onnx


def test_export_is_preferred_to_the_checkpoint_beside_it(checkpoint):
    save_grid_model(checkpoint / "best.onnx")

    weights = find_weights(InstalledModel("parts", checkpoint))

    assert weights.path.name == "best.onnx"
    assert weights.checkpoint == checkpoint / "best.pt"


def test_export_beside_a_model_of_the_catalogue_is_found(checkpoint):
    save_grid_model(checkpoint / "best.onnx")
    entry = ModelEntry("parts", "1", "AGPL-3.0", (ModelFile("best.pt"),))

    weights = find_weights(InstalledModel("parts", checkpoint, entry))

    assert weights.path.name == "best.onnx"
    assert weights.licence == "AGPL-3.0"


def test_manifest_names_the_file_and_its_licence(checkpoint):
    save_grid_model(checkpoint / "a.onnx")
    save_grid_model(checkpoint / "b.onnx")
    (checkpoint / "model.toml").write_text('weights = "b.onnx"\nlicence = "CC0-1.0"\n')

    weights = find_weights(InstalledModel("parts", checkpoint))

    assert weights.path.name == "b.onnx"
    assert weights.licence == "CC0-1.0"


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("weights = 3", "'weights' is unknown or of the wrong type"),
        ("colour = 'red'", "'colour' is unknown"),
        ("task = 'sing'", "task must be one of detect, segment"),
        ("weights =", "not valid TOML"),
        ("weights = '../../etc/best.onnx'", "holds no .pt or .onnx file"),
        ("sha256 = '00'", "its sha256 differs"),
    ],
)
def test_wrong_manifest_is_named(checkpoint, manifest, message):
    (checkpoint / "model.toml").write_text(manifest)

    with pytest.raises(ModelMissing, match=message):
        find_weights(InstalledModel("parts", checkpoint))


def test_manifest_digest_is_checked(checkpoint):
    digest = hashlib.sha256((checkpoint / "best.pt").read_bytes()).hexdigest()
    (checkpoint / "model.toml").write_text(f"sha256 = '{digest.upper()}'")

    assert find_weights(InstalledModel("parts", checkpoint)).path.name == "best.pt"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("best.pt", b"", "is empty"),
        ("best.onnx", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        ("best.pt", b"\x89PNG\r\n", "not a PyTorch checkpoint"),
        ("best.bin", b"x", "not a .pt or .onnx file"),
    ],
)
def test_foreign_file_is_named_for_what_it_is(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(ModelMissing, match=message):
        find_weights(InstalledModel("best", path))


def test_empty_folder_is_named(tmp_path):
    with pytest.raises(ModelMissing, match="holds no .pt or .onnx file"):
        find_weights(InstalledModel("parts", tmp_path))


def test_several_weights_need_a_manifest(checkpoint):
    save_grid_model(checkpoint / "a.onnx")
    save_grid_model(checkpoint / "b.onnx")

    with pytest.raises(ModelMissing, match="several weights"):
        find_weights(InstalledModel("parts", checkpoint))
