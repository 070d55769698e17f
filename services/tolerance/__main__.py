"""Runs the service: ``python -m services.tolerance``."""

from services.tolerance.app import NAME, build
from services.tolerance.settings import ToleranceSettings
from shared.app import serve


def main() -> None:
    """Read the settings and serve until told to stop."""
    settings = ToleranceSettings.from_environment()
    serve(build(settings), settings, name=NAME)


if __name__ == "__main__":
    main()
