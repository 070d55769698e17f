"""Read ``services/<name>/models.toml``: which models a service can run and what their files are.

    [[model]]
    name = "small"
    version = "1.0"
    licence = "MIT"
    source = "https://huggingface.co/Systran/faster-whisper-small/resolve/<revision>/"
    [[model.file]]
    path = "model.bin"
    sha256 = "…"            # left out where none is published: recorded at the first fetch
    size_bytes = 483546902

A demo model of our own stands in the repository: ``folder`` names it, relative to the service's
folder. A model that an installed Python package carries has ``package``, and ``folder`` is relative
to that. The order of the file is the order of preference. ``default = true`` marks a further model
that `make run` fetches beside the first, because it does what that one cannot.
"""

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAME_PATTERN = re.compile(r"^[a-z0-9][a-z0-9._-]{0,63}$")


class CatalogError(Exception):
    """A ``models.toml`` is wrong; the text says where."""


@dataclass(frozen=True)
class ModelFile:
    """One file of a model."""

    path: str  # relative to the model's folder
    sha256: str | None = None
    size_bytes: int | None = None
    source: str | None = None  # full address, where it differs from the model's source + path


@dataclass(frozen=True)
class ModelEntry:
    """One model of a service."""

    name: str
    version: str
    licence: str
    files: tuple[ModelFile, ...]
    source: str = ""  # address that file paths are appended to; empty for a demo model
    folder: str | None = None  # of a demo model, relative to the service's folder
    package: str | None = None  # Python package that carries the files, in ``folder``
    prepare: str | None = None  # module run on each file once it is fetched: an export, say
    default: bool = False  # does what the first model does not, so `make run` fetches it as well
    options: dict[str, Any] = field(default_factory=dict)  # what the engine must know

    @property
    def demo(self) -> bool:
        """Whether these are weights of our own, made to try the system out."""
        return self.folder is not None and self.package is None

    @property
    def size_bytes(self) -> int | None:
        """Sum of the file sizes, if all are known."""
        sizes = [file.size_bytes for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)


def read_catalog(path: Path) -> tuple[ModelEntry, ...]:
    """Read a catalogue; a service without one has no models to install.

    Raises:
        CatalogError: a name is malformed, or a field is missing or unknown.
    """
    if not path.is_file():
        return ()
    try:
        entries = tuple(_entry(each) for each in tomllib.loads(path.read_text()).get("model", []))
    except (TypeError, KeyError, tomllib.TOMLDecodeError) as error:
        raise CatalogError(f"{path}: {error}") from error
    for entry in entries:
        if not NAME_PATTERN.match(entry.name):
            raise CatalogError(f"{path}: {entry.name!r} is not a model name")
        for file in entry.files:
            if Path(file.path).is_absolute() or ".." in Path(file.path).parts:
                raise CatalogError(f"{path}: {file.path!r} leaves the model's folder")
    return entries


def _entry(fields: dict[str, Any]) -> ModelEntry:
    files = tuple(ModelFile(**file) for file in fields.pop("file", []))
    return ModelEntry(files=files, **fields)
