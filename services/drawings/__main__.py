"""Run the drawings service on its own: ``python -m services.drawings``."""

import sys

from services.drawings.app import build
from services.drawings.settings import DrawingsSettings
from shared.app import run

if __name__ == "__main__":
    sys.exit(run("drawings", DrawingsSettings, build))
