"""Fetch the models of the services, and check those that are here.

Sources and digests come from each service's ``models.toml``. A file is put in its place only after
its digest was checked, so a model is either whole or missing.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import httpx

from shared.models.catalog import ModelEntry, ModelFile
from shared.models.digests import DigestRecord, sha256_of
from shared.models.download import Download, FetchError, discard, download
from shared.models.store import ModelStore

OFFLINE_SENTENCE = "OFFLINE is set, so nothing is fetched: unset it, or import a bundle of models"

ReportFile = Callable[[str, int, int | None], None]
"""Told a file's name, how many bytes are here, and how many there will be."""


@dataclass(frozen=True)
class Model:
    """A model of a service."""

    store: ModelStore
    entry: ModelEntry

    @property
    def service(self) -> str:
        """Name of the service."""
        return self.store.service

    @property
    def id(self) -> str:
        """``service/name``, as users write it."""
        return f"{self.service}/{self.entry.name}"

    @property
    def is_installed(self) -> bool:
        """Whether all of its files are here."""
        return self.store.missing_file(self.entry) is None


class FileState(StrEnum):
    """What a check of an installed file found."""

    OK = "ok"
    MISSING = "missing"
    CHANGED = "changed"
    UNRECORDED = "no digest known"


def find_models(services_dir: Path, models_dir: Path) -> list[Model]:
    """Every model of every service that has a catalogue, in the catalogues' order.

    Raises:
        CatalogError: a catalogue is wrong.
    """
    stores = [
        ModelStore(catalog.parent, models_dir)
        for catalog in sorted(services_dir.glob("*/models.toml"))
    ]
    return [Model(store, entry) for store in stores for entry in store.entries]


class Fetcher:
    """Brings models into a models folder."""

    def __init__(
        self,
        models_dir: Path,
        client: httpx.Client | None,
        report: ReportFile,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Fetch into ``models_dir``.

        Args:
            models_dir: folder of the installed models of all services.
            client: how to download; None when nothing may be fetched.
            report: told of progress.
            pause: waits the given time in s before a broken transfer goes on.
        """
        self._pause = pause
        self._models_dir = models_dir
        self._client = client
        self._report = report
        self._record = DigestRecord(models_dir)

    def fetch(self, model: Model) -> bool:
        """Bring every file of a model that is not here; one process at a time.

        Returns:
            Whether anything was fetched.

        Raises:
            FetchError: a file cannot be had, or does not have its digest.
        """
        if model.entry.folder is not None:
            if not model.is_installed:
                raise FetchError(f"{model.id} is not fetched: it {_origin(model.entry)}")
            return False
        with _one_at_a_time(self._models_dir):
            fetched = [self._fetch_file(model, file) for file in model.entry.files]
        return any(fetched)

    def verify(self, model: Model) -> list[tuple[Path, FileState]]:
        """Read every file of a model and compare it with its digest."""
        folder = model.store.folder(model.entry)
        return [(folder / file.path, self._state(model, file)) for file in model.entry.files]

    def _fetch_file(self, model: Model, file: ModelFile) -> bool:
        target = model.store.folder(model.entry) / file.path
        if target.is_file():
            self._adopt(model, file, target)
            return False
        url = file.source or (model.entry.source + file.path if model.entry.source else "")
        if not url:
            raise FetchError(f"{model.id} has no public source; put {target} in place by hand")
        if self._client is None:
            raise FetchError(OFFLINE_SENTENCE)
        expected = self._expected(model, file)
        wanted = Download(
            url, target.with_name(target.name + ".part"), file.size_bytes, expected is not None
        )
        download(
            self._client,
            wanted,
            lambda have, total: self._report(f"{model.id}/{file.path}", have, total),
            self._pause,
        )
        found = sha256_of(wanted.part)
        if expected is not None and found != expected:
            discard(wanted.part)
            raise FetchError(
                f"{model.id}/{file.path}: its SHA-256 is {found}, expected {expected}; it was "
                "deleted. The source has changed, or the transfer was tampered with"
            )
        os.replace(wanted.part, target)
        self._record.put(model.service, model.entry.name, file.path, found)
        return True

    def _adopt(self, model: Model, file: ModelFile, target: Path) -> None:
        """Record a file that somebody put in place; a recorded one of the stated size is taken."""
        if self._record.get(model.service, model.entry.name, file.path) is not None:
            return
        found = sha256_of(target)
        if file.sha256 is not None and found != file.sha256.lower():
            raise FetchError(
                f"{target} is not the file that the catalogue means: its SHA-256 is {found}, "
                f"expected {file.sha256}; remove it to fetch the right one"
            )
        self._record.put(model.service, model.entry.name, file.path, found)

    def _expected(self, model: Model, file: ModelFile) -> str | None:
        if file.sha256 is not None:
            return file.sha256.lower()
        return self._record.get(model.service, model.entry.name, file.path)

    def _state(self, model: Model, file: ModelFile) -> FileState:
        path = model.store.folder(model.entry) / file.path
        if not path.is_file():
            return FileState.MISSING
        expected = self._expected(model, file)
        if expected is None:
            return FileState.UNRECORDED
        return FileState.OK if sha256_of(path) == expected else FileState.CHANGED


def _origin(entry: ModelEntry) -> str:
    if entry.package is not None:
        return f"comes with the Python package {entry.package}, which `make .venv` installs"
    return f"belongs to this repository, in {entry.folder}, and is not there"


@contextmanager
def _one_at_a_time(models_dir: Path) -> Iterator[None]:
    """Hold the folder's lock, so that two fetches never write the same file."""
    models_dir.mkdir(parents=True, exist_ok=True)
    with (models_dir / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
