"""Find a model's weights file and say in one sentence what is wrong with it, before it is loaded.

A folder of custom weights holds one ``.pt`` or ``.onnx`` file and may hold a manifest,
``model.toml``, that says what the file itself does not:

    weights = "best.onnx"        # needed only when the folder holds several
    licence = "AGPL-3.0"
    task = "detect"              # detect, segment, pose, obb, classify
    classes = ["bolt", "nut"]    # names in the order of their ids
    image_size = 640
    sha256 = "…"                 # checked at each start

Pictures in its folder ``samples`` are what a faster runtime must answer as the original does.
"""

import tomllib
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.yolo.facts import TASKS
from shared.cache import digest
from shared.errors import ModelMissing
from shared.models.digests import sha256_of
from shared.models.store import InstalledModel

SUFFIXES = (".onnx", ".pt")
MANIFEST = "model.toml"
_LFS_HEAD = b"version https://git-lfs.github.com/spec/"
_MANIFEST_KINDS: dict[str, type] = {
    "weights": str, "licence": str, "task": str, "classes": list, "image_size": int, "sha256": str,
}  # fmt: skip


@dataclass(frozen=True)
class Weights:
    """A weights file and what is known of it besides its content."""

    name: str  # of the model
    path: Path
    licence: str = ""
    demo: bool = False
    manifest: dict[str, Any] = field(default_factory=dict)
    checkpoint: Path | None = None  # that ``path``, an export, was made from; for GPUs

    @property
    def samples(self) -> list[Path]:
        """Pictures beside the weights that are typical for the model."""
        return sorted(path for path in self.path.parent.glob("samples/*") if path.is_file())

    def digest(self) -> str:
        """Fingerprint of the file and of what the manifest says of it; reads all of the file."""
        return digest(sha256_of(self.path), self.manifest)

    @property
    def is_onnx(self) -> bool:
        """Whether the file is an ONNX graph; otherwise a PyTorch checkpoint."""
        return self.path.suffix == ".onnx"


def find_weights(model: InstalledModel) -> Weights:
    """The weights file of an installed model, checked by its first bytes.

    Raises:
        ModelMissing: there is none, or it is not what its name says.
    """
    manifest = _read_manifest(model.path / MANIFEST) if model.path.is_dir() else {}
    path = _weights_path(model, manifest)
    check_content(path)
    if "sha256" in manifest and sha256_of(path) != manifest["sha256"].lower():
        raise ModelMissing(f"{path} is not the file that {MANIFEST} names: its sha256 differs")
    licence = model.entry.licence if model.entry else str(manifest.get("licence", ""))
    checkpoint = path.with_suffix(".pt")
    is_export = path.suffix == ".onnx" and checkpoint.is_file()
    return Weights(
        model.name, path, licence, model.demo, manifest, checkpoint if is_export else None
    )


def check_content(path: Path) -> None:
    """See by its content that a file is a checkpoint or a graph.

    Raises:
        ModelMissing: it is empty, a Git LFS pointer, or of another kind.
    """
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        raise ModelMissing(f"{path} is empty; put the real weights there")
    if head.startswith(_LFS_HEAD):
        raise ModelMissing(
            f"{path} is a Git LFS pointer, not weights; get the real file with `git lfs pull`"
        )
    if path.suffix == ".pt" and not zipfile.is_zipfile(path):
        raise ModelMissing(f"{path} is not a PyTorch checkpoint; expected one saved by Ultralytics")


def _weights_path(model: InstalledModel, manifest: dict[str, Any]) -> Path:
    if model.path.is_file():
        if model.path.suffix not in SUFFIXES:
            raise ModelMissing(f"{model.path} is not a .pt or .onnx file")
        return model.path
    if model.entry is not None:
        listed = [model.path / file.path for file in model.entry.files]
        listed += [path.with_suffix(".onnx") for path in listed if path.suffix == ".pt"]
    elif "weights" in manifest:
        listed = [model.path / Path(manifest["weights"]).name]
    else:
        listed = sorted(model.path.iterdir())
    found = [path for path in listed if path.suffix in SUFFIXES and path.is_file()]
    exported = [path for path in found if path.suffix == ".onnx"]
    if len(found) > 1 and len(exported) != 1:
        raise ModelMissing(f"{model.path} holds several weights; name one in {MANIFEST}")
    if not found:
        raise ModelMissing(f"{model.path} holds no .pt or .onnx file")
    return (exported or found)[0]


def _read_manifest(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        manifest = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelMissing(f"{path} is not valid TOML: {error}") from None
    for name, value in manifest.items():
        if name not in _MANIFEST_KINDS or not isinstance(value, _MANIFEST_KINDS[name]):
            known = ", ".join(_MANIFEST_KINDS)
            raise ModelMissing(f"{path}: {name!r} is unknown or of the wrong type; known: {known}")
    if manifest.get("task", "detect") not in TASKS:
        raise ModelMissing(f"{path}: task must be one of {', '.join(TASKS)}")
    return manifest
