"""Run the tolerance service on its own: ``python -m services.tolerance``."""

import sys

from services.tolerance.app import NAME, build
from services.tolerance.settings import ToleranceSettings
from shared.app import serve
from shared.settings import SettingsError


def main() -> int:
    """Start the service; returns the process's exit status."""
    try:
        settings = ToleranceSettings.from_environment()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    serve(build(settings), settings, name=NAME)
    return 0


if __name__ == "__main__":
    sys.exit(main())
