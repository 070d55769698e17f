"""Run the tolerance service on its own: ``python -m services.tolerance``."""

import gc
import sys

from services.tolerance.app import NAME, build
from services.tolerance.settings import ToleranceSettings
from shared.app import run

YOUNG_OBJECTS = 50_000
"""Objects that are created before the collector of reference cycles looks at them. Requests leave
none behind, and a collection for every tenth of them would look at those being answered."""

if __name__ == "__main__":
    gc.set_threshold(YOUNG_OBJECTS)
    sys.exit(run(NAME, ToleranceSettings, build, share_port=lambda given: given.share_port))
