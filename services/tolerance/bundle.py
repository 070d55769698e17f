"""A model as files: weights, card, domain and calibration, checked against their digests.

model.ubj       XGBoost booster (read by the engine only)
card.json       name, version, columns, sha256 of the other files, measured quality
domain.json     the region of the training data
intervals.json  calibration scores per process and characteristic
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.tolerance.cases import Category
from services.tolerance.domain import ProcessDomain, parse_domain
from services.tolerance.intervals import IntervalTable
from shared.errors import ModelMissing

MODEL_FILE = "model.ubj"
CARD_FILE = "card.json"
DOMAIN_FILE = "domain.json"
INTERVALS_FILE = "intervals.json"
DIGESTED_FILES = (MODEL_FILE, DOMAIN_FILE, INTERVALS_FILE)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Ascending ln(actual / predicted) of one category, for the model and for the rule."""

    model: tuple[float, ...]
    rule: tuple[float, ...]
    origin: str  # synthetic | measured


@dataclass(frozen=True)
class Bundle:
    """Everything about a model except the weights themselves."""

    folder: Path
    name: str
    version: str
    columns: tuple[str, ...]
    domain: dict[str, ProcessDomain]
    calibration: dict[Category, Calibration]
    golden_rows: tuple[tuple[float, ...], ...]  # (n, n_columns) inputs with known output
    golden_log_values: tuple[float, ...]  # (n,) what the model gave for them when trained
    card: Mapping[str, Any]
    intervals: IntervalTable = field(default_factory=IntervalTable, compare=False)

    @property
    def model_path(self) -> Path:
        """Return the path of the weights."""
        return self.folder / MODEL_FILE


class BrokenBundle(ValueError):
    """A file of the model is missing, changed or made for other columns; the text names it."""


class InstalledBundle:
    """The installed model as it was read last: when the service started, or its engine loaded."""

    def __init__(self, find: Callable[[], Bundle]) -> None:
        """``find`` reads and verifies the model's files, and raises ``ModelMissing``."""
        self._find = find
        self.bundle: Bundle | None = None  # none is installed; the host then says why
        with suppress(ModelMissing):
            self.read()

    def read(self) -> Bundle:
        """Read the files anew; raises ``ModelMissing``."""
        self.bundle = self._find()
        return self.bundle


def read_bundle(folder: Path) -> Bundle:
    """Read and verify a model folder.

    Raises:
        BrokenBundle: a file is missing or differs from the digest in the card.
    """
    card = json.loads(_read(folder / CARD_FILE))
    contents = {name: _read(folder / name) for name in DIGESTED_FILES}
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != card["sha256"].get(name):
            raise BrokenBundle(f"{folder / name} does not match its sha256 in {CARD_FILE}")
    intervals = json.loads(contents[INTERVALS_FILE])
    return Bundle(
        folder=folder,
        name=card["name"],
        version=card["version"],
        columns=tuple(card["columns"]),
        domain=parse_domain(json.loads(contents[DOMAIN_FILE])),
        calibration={
            (scores["process"], scores["characteristic"]): Calibration(
                model=tuple(scores["model"]), rule=tuple(scores["rule"]), origin=scores["origin"]
            )
            for scores in intervals["categories"]
        },
        golden_rows=tuple(map(tuple, card["golden"]["rows"])),
        golden_log_values=tuple(card["golden"]["log_values"]),
        card=card,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BrokenBundle(f"{path} cannot be read: {error.strerror}") from error
