"""Which release of each service runs: its settings and its code; the ones before it can return.

Kept in ``var/deploy/releases.json``, so that a restarted system runs what was rolled out last.
Release 0 is the operator's environment and this source tree.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

_SECRET = re.compile(r"(TOKEN|SECRET|KEY|PASSWORD|REDIS_URL)$")
"""Names of settings whose values are not shown."""


@dataclass(frozen=True)
class Release:
    """What a service runs with, beyond the operator's environment."""

    number: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)  # environment variables
    commit: str | None = None  # of the code; None is this source tree

    def __str__(self) -> str:
        """In words, for the operator."""
        code = f"code {self.commit[:12]}" if self.commit is not None else ""
        settings = ", ".join(
            f"{name}={'…' if _SECRET.search(name) else value}"
            for name, value in sorted(self.settings.items())
        )
        what = ", ".join(filter(None, [code, settings])) or "as started"
        return f"release {self.number} ({what})"


class Releases:
    """The releases of all services, each a stack whose top runs."""

    def __init__(self, path: Path) -> None:
        """Use the file ``path``; a missing one means that nothing was rolled out."""
        self._path = path
        self._stacks: dict[str, list[Release]] = {}
        self._last_numbers: dict[str, int] = {}
        if path.is_file():
            kept = json.loads(path.read_text())
            self._stacks = {
                name: [Release(**each) for each in kept[name]["stack"]] for name in kept
            }
            self._last_numbers = {name: kept[name]["last_number"] for name in kept}

    def current(self, service: str) -> Release:
        """What the service runs."""
        stack = self._stacks.get(service)
        return stack[-1] if stack else Release()

    def previous(self, service: str) -> Release | None:
        """What a rollback returns to; None when nothing was rolled out."""
        stack = self._stacks.get(service)
        if not stack:
            return None
        return stack[-2] if len(stack) > 1 else Release()

    def next(self, service: str, settings: Mapping[str, str], commit: str | None) -> Release:
        """A release to roll out: the current one with changes; not recorded yet.

        Args:
            service: whose.
            settings: variables to set beyond those of the current release.
            commit: code to run; None keeps the current release's.
        """
        current = self.current(service)
        return Release(
            self._last_numbers.get(service, 0) + 1,
            {**current.settings, **settings},
            commit or current.commit,
        )

    def push(self, service: str, release: Release) -> None:
        """Record that the service runs ``release`` from now on."""
        self._stacks.setdefault(service, []).append(release)
        self._last_numbers[service] = release.number
        self._write()

    def pop(self, service: str) -> None:
        """Record that the service runs its previous release from now on."""
        self._stacks[service].pop()
        self._write()

    def _write(self) -> None:
        kept = {
            name: {
                "stack": [asdict(release) for release in stack],
                "last_number": self._last_numbers[name],
            }
            for name, stack in self._stacks.items()
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)  # settings may be secrets
        new.write_text(json.dumps(kept, indent=2) + "\n")
        os.replace(new, self._path)
