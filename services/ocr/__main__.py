"""Run the OCR service on its own: ``python -m services.ocr``."""

import sys

from services.ocr.app import build
from services.ocr.settings import OcrSettings
from shared.app import run

if __name__ == "__main__":
    sys.exit(run("ocr", OcrSettings, build))
