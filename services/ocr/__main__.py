"""Run the OCR service on its own: ``python -m services.ocr``."""

import sys

from services.ocr.app import build
from services.ocr.settings import OcrSettings
from shared.app import serve
from shared.settings import SettingsError


def main() -> int:
    """Start the service; returns the process's exit status."""
    try:
        settings = OcrSettings.from_environment()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    serve(build(settings), settings, name="ocr")
    return 0


if __name__ == "__main__":
    sys.exit(main())
