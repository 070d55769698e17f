"""Which Whisper model is used, and what is known of it beyond its weights."""

import json
from dataclasses import dataclass
from pathlib import Path

from shared.errors import ModelMissing
from shared.models.store import InstalledModel, ModelStore

FULL_WINDOW_S = 30.0
REQUIRED_FILES = ("model.bin", "config.json", "tokenizer.json")


@dataclass(frozen=True)
class ModelFacts:
    """A model on this machine."""

    name: str
    folder: Path
    window_s: float = FULL_WINDOW_S  # longest speech it can take at once
    languages: tuple[str, ...] = ()  # empty: all that its vocabulary names
    can_translate: bool = True
    demo: bool = False
    licence: str = ""


def choose_model(store: ModelStore, wanted: str, *, on_gpu: bool) -> ModelFacts:
    """Find the model that the settings name; ``auto`` prefers the one made for the device.

    Args:
        store: models on this machine.
        wanted: ``auto``, a name of the catalogue, or a path to a CTranslate2 folder.
        on_gpu: whether it will run on a GPU.

    Raises:
        ModelMissing: it is not here, or its folder lacks a file.
    """
    facts = _facts(_installed(store, wanted, on_gpu=on_gpu))
    for name in REQUIRED_FILES:
        if not (facts.folder / name).is_file():
            raise ModelMissing(
                f"{facts.folder} is not a Whisper model of CTranslate2: {name} is missing"
            )
    return facts


def _installed(store: ModelStore, wanted: str, *, on_gpu: bool) -> InstalledModel:
    if wanted != "auto":
        return store.resolve(wanted)
    device = "cuda" if on_gpu else "cpu"
    for model in store.installed():
        if model.entry is not None and model.entry.options.get("made_for") == device:
            return model
    return store.resolve("auto")


def _facts(model: InstalledModel) -> ModelFacts:
    folder = model.path if model.path.is_dir() else model.path.parent
    card_file = folder / "card.json"  # our own models have one
    card = json.loads(card_file.read_text()) if card_file.is_file() else {}
    options = model.entry.options if model.entry is not None else {}
    return ModelFacts(
        name=model.name,
        folder=folder,
        window_s=min(FULL_WINDOW_S, float(card.get("window_s", FULL_WINDOW_S))),
        languages=tuple(card.get("languages", ())),
        # Turbo models were trained without translation (openai/whisper, discussion 2363).
        can_translate=options.get("can_translate", "turbo" not in model.name),
        demo=model.demo or bool(card.get("demo", False)),
        licence=model.entry.licence if model.entry is not None else card.get("licence", ""),
    )
