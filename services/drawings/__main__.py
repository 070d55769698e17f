"""Run the drawings service on its own: ``python -m services.drawings``."""

import sys

from services.drawings.app import build
from services.drawings.settings import DrawingsSettings
from shared.app import serve
from shared.settings import SettingsError


def main() -> int:
    """Start the service; returns the process's exit status."""
    try:
        settings = DrawingsSettings.from_environment()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    serve(build(settings), settings, name="drawings")
    return 0


if __name__ == "__main__":
    sys.exit(main())
