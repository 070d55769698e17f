"""What runs a unit of the system: a protocol, so that the commands do not depend on how.

A unit is one replica of a service, or the gateway. ``LocalDriver`` (processes.py) runs units as
processes of this machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Unit:
    """One thing to run."""

    name: str  # unique in the system, as in the log: "gateway", "ocr", "ocr-2"
    module: str  # what ``python -m`` runs
    prefix: str  # of its environment variables, with the underscore
    host: str  # where it listens
    port: int
    environ: Mapping[str, str] = field(default_factory=dict)  # its settings beyond our own
    folder: Path | None = None  # source tree it runs from; None is the one we run from

    @property
    def url(self) -> str:
        """Where others on this machine reach it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)
        return f"http://{host}:{self.port}"


class Instance(Protocol):
    """A unit that was started and is kept running until it is stopped."""

    @property
    def unit(self) -> Unit:
        """What it runs."""
        ...

    @property
    def trouble(self) -> str | None:
        """Why it does not run at the moment; None while it runs."""
        ...

    @property
    def starts(self) -> int:
        """How often it was started, the first time included."""
        ...

    def change(self, unit: Unit) -> None:
        """Run ``unit`` from the next start on."""
        ...

    async def stop(self, grace_s: float) -> None:
        """Ask it to end, and make it end after ``grace_s``."""
        ...


class Driver(Protocol):
    """Starts units."""

    async def start(self, unit: Unit) -> Instance:
        """Start a unit and keep it running; returns before it is ready."""
        ...
