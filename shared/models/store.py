"""Find the files of a model on this machine; never fetches anything.

Installed models lie in ``<models_dir>/<service>/<name>/``; demo models in the service's own folder,
those that a Python package carries in the package's.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from shared.errors import ModelMissing
from shared.models.catalog import ModelEntry, read_catalog


@dataclass(frozen=True)
class InstalledModel:
    """A model whose files are all here."""

    name: str
    path: Path  # the model's folder, or the weights file that the settings named
    entry: ModelEntry | None = None  # None for weights named by path

    @property
    def demo(self) -> bool:
        """Whether these are weights of our own, made to try the system out."""
        return self.entry is not None and self.entry.demo


class ModelStore:
    """The models of one service on this machine."""

    def __init__(self, service_dir: Path, models_dir: Path) -> None:
        """Read the service's catalogue.

        Args:
            service_dir: folder of the service (``services/<name>``), whose name is the service's.
            models_dir: folder of the installed models of all services.
        """
        self.service = service_dir.name
        self._service_dir = service_dir
        self._models_dir = models_dir / service_dir.name
        self.entries = read_catalog(service_dir / "models.toml")

    def folder(self, entry: ModelEntry) -> Path:
        """Where the files of ``entry`` lie or would lie."""
        if entry.package is not None:
            return _package_dir(entry.package) / (entry.folder or "")
        if entry.folder is not None:
            return self._service_dir / entry.folder
        return self._models_dir / entry.name

    def missing_file(self, entry: ModelEntry) -> Path | None:
        """The first file of ``entry`` that is not here; None when all are."""
        folder = self.folder(entry)
        return next(
            (folder / file.path for file in entry.files if not (folder / file.path).is_file()), None
        )

    def installed(self) -> list[InstalledModel]:
        """Models whose files are all here, in the catalogue's order."""
        return [
            InstalledModel(entry.name, self.folder(entry), entry)
            for entry in self.entries
            if entry.files and self.missing_file(entry) is None
        ]

    def resolve(self, wanted: str) -> InstalledModel:
        """Find the model that the operator's settings name.

        Args:
            wanted: ``auto`` (the first installed real model, else a demo one), a name of the
                catalogue, a folder under ``models_dir``, or a path to weights.

        Raises:
            ModelMissing: its files are not here; names the file and the command that gets it.
        """
        if wanted == "auto":
            return self._automatic()
        for entry in self.entries:
            if entry.name == wanted:
                return self._named(entry)
        path = Path(wanted)
        own = self._models_dir / wanted
        if "/" not in wanted and own.is_dir():
            return InstalledModel(wanted, own)
        if path.exists():
            return InstalledModel(path.stem if path.is_file() else path.name, path)
        known = ", ".join(entry.name for entry in self.entries) or "none"
        raise ModelMissing(f"there is no model {wanted!r} and no such file; known are: {known}")

    def _automatic(self) -> InstalledModel:
        installed = self.installed()
        for model in installed:
            if not model.demo:
                return model
        if installed:
            return installed[0]
        if not self.entries:
            raise ModelMissing(f"{self._service_dir.name} knows no models")
        return self._named(self.entries[0])

    def _named(self, entry: ModelEntry) -> InstalledModel:
        missing = self.missing_file(entry)
        if missing is None:
            return InstalledModel(entry.name, self.folder(entry), entry)
        if entry.package is not None:
            raise ModelMissing(
                f"the model {entry.name} comes with the Python package {entry.package}, in which "
                f"{missing} is missing; install the service's requirements"
            )
        command = f"make models MODEL={self._service_dir.name}/{entry.name}"
        raise ModelMissing(
            f"the model {entry.name} is not installed: {missing} is missing; run `{command}`"
        )


def _package_dir(package: str) -> Path:
    """Folder of an installed package, found without importing it; of no file when there is none."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        return Path(package)
    return Path(next(iter(found.submodule_search_locations)))
