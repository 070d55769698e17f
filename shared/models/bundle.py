"""Carry models into a closed network: one tar of installed models, with the digest of every file.

The first member is ``bundle.json``: ``{"<service>/<model>/<path>": "<sha256>"}``. Import trusts
nothing in the tar but the files that it names, checks their digests, and puts a model in place only
when all of them are right.
"""

import contextlib
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

from shared.models.digests import DigestRecord, sha256_of
from shared.models.download import FetchError
from shared.models.fetch import Model

MANIFEST = "bundle.json"
MANIFEST_LIMIT_BYTES = 2**20
COPY_BYTES = 2**20


def export_bundle(models: Sequence[Model], target: Path) -> list[Model]:
    """Write the installed ones of ``models`` into the tar ``target``.

    Returns:
        Those written; models that are part of this repository or of a package are left out.

    Raises:
        FetchError: none of them is installed.
    """
    chosen = [model for model in models if model.entry.folder is None and model.is_installed]
    if not chosen:
        raise FetchError("none of these models is installed, so there is nothing to export")
    files = {
        f"{model.id}/{file.path}": model.store.folder(model.entry) / file.path
        for model in chosen
        for file in model.entry.files
    }
    manifest = json.dumps({name: sha256_of(path) for name, path in files.items()}).encode()
    unfinished = target.with_name(f"{target.name}.part")
    with tarfile.open(unfinished, "w") as tar:
        member = tarfile.TarInfo(MANIFEST)
        member.size = len(manifest)
        tar.addfile(member, io.BytesIO(manifest))
        for name, path in files.items():
            tar.add(path, arcname=name, recursive=False)
    os.replace(unfinished, target)
    return chosen


def import_bundle(source: Path, models: Sequence[Model], models_dir: Path) -> list[str]:
    """Put the models of a tar in place.

    Args:
        source: the tar.
        models: every model that the catalogues know.
        models_dir: folder of the installed models of all services.

    Returns:
        Ids of the models that were put in place.

    Raises:
        FetchError: the tar is damaged, or holds a model or a file that the catalogues do not know
            or state another digest for. Nothing of that model is put in place.
    """
    models_dir.mkdir(parents=True, exist_ok=True)
    with _opened(source) as tar, tempfile.TemporaryDirectory(dir=models_dir) as folder:
        stated = _manifest(tar)
        chosen = _known(models, stated)
        for name, sha256 in stated.items():
            _extract(tar, name, sha256, Path(folder) / name)
        for model in chosen:
            _install(model, Path(folder) / model.id, stated, DigestRecord(models_dir))
    return [model.id for model in chosen]


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(source, "r:") as tar:
            yield tar
    except (tarfile.TarError, OSError) as error:
        raise FetchError(f"{source} cannot be read: {error}") from error


def _manifest(tar: tarfile.TarFile) -> Mapping[str, str]:
    first = tar.next()
    if first is None or first.name != MANIFEST or first.size > MANIFEST_LIMIT_BYTES:
        raise FetchError(f"this is not a bundle of models: its first member is not {MANIFEST}")
    try:
        stated = json.load(_reader(tar, first))
    except ValueError:
        stated = None
    if not isinstance(stated, dict) or not all(isinstance(each, str) for each in stated.values()):
        raise FetchError(f"{MANIFEST} of the bundle is damaged: it lists no files with digests")
    return stated


def _known(models: Sequence[Model], stated: Mapping[str, str]) -> list[Model]:
    """The models that a bundle holds, whose every file the catalogues know."""
    digests = {
        f"{model.id}/{file.path}": file.sha256
        for model in models
        if model.entry.folder is None
        for file in model.entry.files
    }
    for name, sha256 in stated.items():
        if name not in digests:
            raise FetchError(f"the bundle holds {name!r}, which no catalogue knows")
        if (digests[name] or sha256).lower() != sha256:
            raise FetchError(f"{name} is not the file that the catalogue means")
    ids = {"/".join(PurePosixPath(name).parts[:2]) for name in stated}
    chosen = [model for model in models if model.id in ids]
    needed = {f"{model.id}/{file.path}" for model in chosen for file in model.entry.files}
    if missing := sorted(needed - set(stated)):
        raise FetchError(f"the bundle lacks {', '.join(missing)}")
    return chosen


def _extract(tar: tarfile.TarFile, name: str, sha256: str, target: Path) -> None:
    try:
        member = tar.getmember(name)
    except KeyError:
        raise FetchError(f"the bundle lacks {name}") from None
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    reader = _reader(tar, member)
    with target.open("wb") as file:
        while piece := reader.read(COPY_BYTES):
            digest.update(piece)
            file.write(piece)
    if digest.hexdigest() != sha256:
        raise FetchError(f"{name} is damaged in the bundle: its SHA-256 is {digest.hexdigest()}")


def _reader(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    reader = tar.extractfile(member) if member.isreg() else None
    if reader is None:
        raise FetchError(f"{member.name} is not a plain file")
    return reader


def _install(model: Model, folder: Path, stated: Mapping[str, str], record: DigestRecord) -> None:
    target = model.store.folder(model.entry)
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(folder, target)
    for file in model.entry.files:
        sha256 = stated[f"{model.id}/{file.path}"]
        record.put(model.service, model.entry.name, file.path, sha256)
