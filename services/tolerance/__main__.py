"""Run the tolerance service on its own: ``python -m services.tolerance``."""

import gc
import sys

from services.tolerance.app import NAME, build
from services.tolerance.settings import ToleranceSettings
from shared.app import serve
from shared.settings import SettingsError

YOUNG_OBJECTS = 50_000
"""Objects that are created before the collector of reference cycles looks at them. Requests leave
none behind, and a collection for every tenth of them would look at those being answered."""


def main() -> int:
    """Start the service; returns the process's exit status."""
    try:
        settings = ToleranceSettings.from_environment()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    gc.set_threshold(YOUNG_OBJECTS)
    serve(build(settings), settings, name=NAME, share_port=settings.share_port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
