"""``make docs``: write the table of settings into the README of the gateway and of each service.

A test holds README and settings together; this is how to repair it after a setting has changed.
"""

import importlib
import re
import sys
from pathlib import Path

from deploy.discover import find_services
from shared.settings import ProcessSettings, settings_table

TABLE = re.compile(r"\| variable \| type \|.*\n(?:\|.*(?:\n|$))+")


def settings_class(module: str) -> type[ProcessSettings]:
    """The settings class that ``module`` defines."""
    for value in vars(importlib.import_module(module)).values():
        if (
            isinstance(value, type)
            and issubclass(value, ProcessSettings)
            and value.__module__ == module
        ):
            return value
    raise LookupError(f"{module} defines no settings")


def write_table(readme: Path, module: str) -> bool:
    """Replace the table in ``readme`` by the true one; False when it was true already.

    Raises:
        LookupError: the README has no table of settings.
    """
    before = readme.read_text("utf-8")
    table = settings_table(settings_class(module)) + "\n"
    after, count = TABLE.subn(lambda _: table, before, count=1)
    if not count:
        raise LookupError(f"{readme} has no table of settings")
    if after != before:
        readme.write_text(after, "utf-8")
    return after != before


def main(root: Path) -> None:
    """Repair every README of the tree at ``root``."""
    folders = [root / "gateway", *(service.path for service in find_services(root))]
    for folder in folders:
        module = ".".join([*folder.relative_to(root).parts, "settings"])
        if write_table(folder / "README.md", module):
            sys.stdout.write(f"{folder.name}: table of settings renewed\n")


if __name__ == "__main__":
    main(Path.cwd())
