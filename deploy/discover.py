"""Find the services: every folder under ``services/`` that can be run is one."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ServiceFolder:
    """A service, as its folder tells it."""

    name: str  # the folder's name: also the prefix of its settings
    path: Path

    @property
    def module(self) -> str:
        """What ``python -m`` runs."""
        return f"services.{self.name}"

    @property
    def prefix(self) -> str:
        """First part of the names of its environment variables, with the underscore."""
        return f"{self.name.upper()}_"


def find_services(root: Path) -> list[ServiceFolder]:
    """The services of a source tree, by name.

    Args:
        root: the tree, which holds ``services/``.
    """
    return [
        ServiceFolder(main.parent.name, main.parent)
        for main in sorted(root.glob("services/*/__main__.py"))
    ]
