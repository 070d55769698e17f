"""Find the services: every folder under ``services/`` that can be run is one."""

import re
from dataclasses import dataclass
from pathlib import Path

_GATEWAY_URL = re.compile(r"^    gateway_url\s*:", re.MULTILINE)


@dataclass(frozen=True)
class ServiceFolder:
    """A service, as its folder tells it."""

    name: str  # the folder's name: also the prefix of its settings
    path: Path

    @property
    def module(self) -> str:
        """What ``python -m`` runs."""
        return f"services.{self.name}"

    def calls_others(self, tree: Path) -> bool:
        """Whether it asks other services through the gateway: then it has that setting.

        Args:
            tree: source tree that it runs from; releases may differ in this.
        """
        settings = tree / "services" / self.name / "settings.py"
        return settings.is_file() and bool(_GATEWAY_URL.search(settings.read_text("utf-8")))

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
