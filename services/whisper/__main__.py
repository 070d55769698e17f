"""Run the speech service on its own: ``python -m services.whisper``."""

import sys

from services.whisper.app import build
from services.whisper.settings import WhisperSettings
from shared.app import run

if __name__ == "__main__":
    sys.exit(run("whisper", WhisperSettings, build))
