"""Find the weights that the settings name: one detector and the recognisers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from shared.cache import digest
from shared.errors import ModelMissing
from shared.models.catalog import ModelEntry
from shared.models.digests import sha256_of
from shared.models.store import InstalledModel, ModelStore

SERVICE_DIR = Path(__file__).parent
DESCRIPTION = "inference.yml"
"""What PaddleOCR writes beside a network it exports: architecture, steps, characters."""

_LANGUAGE_OF_PREFIX = {
    "korean": ("ko",), "en": ("en",), "japan": ("ja",), "chinese_cht": ("zh",),
    "latin": ("en", "de", "es", "fr", "it", "nl", "pt", "pl"),
}  # fmt: skip
"""Languages of a recogniser by the first part of its PaddleOCR name; else Chinese and English."""


@dataclass(frozen=True)
class Weights:
    """One network on disk."""

    name: str  # of the model in answers
    path: Path  # the .onnx file, or the folder that holds inference.*
    registered_name: str  # what PaddleOCR calls the architecture
    languages: tuple[str, ...] = ()  # ISO 639-1; none for a detector
    demo: bool = False
    licence: str = ""

    def digest(self) -> str:
        """Fingerprint of the network's files and its description; reads all of them."""
        if self.path.is_dir():
            files = sorted(each for each in self.path.iterdir() if each.is_file())
        else:
            files = [self.path, self.path.parent / DESCRIPTION]
        return digest([[each.name, sha256_of(each)] for each in files if each.is_file()])


@dataclass(frozen=True)
class WeightSet:
    """What an engine loads."""

    detector: Weights
    recognisers: tuple[Weights, ...]  # in order of preference


def find_weights(model: str, models_dir: Path, model_dir: Path | None) -> WeightSet:
    """Find the detector and recognisers.

    Args:
        model: ``auto`` for all installed models of the catalogue, or the name of the one that is to
            be the first choice.
        models_dir: folder of the installed models of all services.
        model_dir: folder of PaddleOCR model folders to use instead of the catalogue, or None.

    Raises:
        ModelMissing: a file is not on this machine.
    """
    if model_dir is not None:
        return _from_folders(model_dir)
    store = ModelStore(SERVICE_DIR, models_dir)
    first = store.resolve(model)
    models = [first, *(each for each in store.installed() if each.name != first.name)]
    detectors = [each for m in models for each in _networks(m, "detector")]
    recognisers = [each for m in models for each in _networks(m, "recogniser")]
    if not detectors or not recognisers:
        raise ModelMissing(f"{model} holds no text detector or recogniser; set OCR_MODEL=auto")
    return WeightSet(detectors[0], tuple(recognisers))


def offered_languages(entries: tuple[ModelEntry, ...]) -> dict[str, str]:
    """For each language of the catalogue, the first model that reads it, demo models last."""
    offered: dict[str, str] = {}
    for entry in sorted(entries, key=lambda each: each.demo):
        for code in entry.options.get("languages", ()):
            offered.setdefault(code, entry.name)
    return offered


def _networks(model: InstalledModel, kind: Literal["detector", "recogniser"]) -> list[Weights]:
    if model.entry is None or kind not in model.entry.options:
        return []
    options: Mapping[str, Any] = model.entry.options
    return [
        Weights(
            model.name,
            model.path / options[kind],
            options[f"{kind}_name"],
            tuple(options["languages"]) if kind == "recogniser" else (),
            model.demo,
            model.entry.licence,
        )
    ]


def _from_folders(model_dir: Path) -> WeightSet:
    if not model_dir.is_dir():
        raise ModelMissing(f"OCR_MODEL_DIR names {model_dir}, which is not a folder")
    found = [_from_folder(each.parent) for each in sorted(model_dir.glob(f"*/{DESCRIPTION}"))]
    detectors = [each for each in found if each.registered_name.endswith("_det")]
    recognisers = [each for each in found if each.registered_name.endswith("_rec")]
    if not detectors or not recognisers:
        raise ModelMissing(
            f"{model_dir} needs a folder with a detector and one with a recogniser, each with its "
            "inference.yml, as PaddleOCR exports them"
        )
    return WeightSet(detectors[0], tuple(recognisers))


def _from_folder(folder: Path) -> Weights:
    settings = yaml.safe_load((folder / DESCRIPTION).read_text())
    name = str(settings["Global"]["model_name"])
    prefix = name.partition("_PP-OCR")[0]
    languages = _LANGUAGE_OF_PREFIX.get(prefix, ("zh", "en")) if name.endswith("_rec") else ()
    onnx = folder / "inference.onnx"
    return Weights(folder.name, onnx if onnx.is_file() else folder, name, languages)
