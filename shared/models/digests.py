"""Digests of the installed files, kept beside them in ``models.lock.json``.

Where a catalogue states no digest, the one seen at the first fetch is recorded and holds from then
on: a file that changes later, on this disk or at its source, is noticed.
"""

import hashlib
import json
import os
from pathlib import Path

RECORD_NAME = "models.lock.json"
READ_BYTES = 2**20


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class DigestRecord:
    """``models.lock.json`` of a models folder."""

    def __init__(self, models_dir: Path) -> None:
        """Use the record of ``models_dir``; a missing one is empty."""
        self._path = models_dir / RECORD_NAME

    def get(self, service: str, model: str, file: str) -> str | None:
        """The recorded SHA-256 of a file; None when it was never recorded."""
        found = self._read().get(f"{service}/{model}", {}).get(file)
        return str(found) if found is not None else None

    def put(self, service: str, model: str, file: str, sha256: str) -> None:
        """Record the SHA-256 of a file, safe against a crash in between."""
        record = self._read()
        record.setdefault(f"{service}/{model}", {})[file] = sha256
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")
        os.replace(new, self._path)

    def _read(self) -> dict[str, dict[str, str]]:
        if not self._path.is_file():
            return {}
        record: dict[str, dict[str, str]] = json.loads(self._path.read_text())
        return record
