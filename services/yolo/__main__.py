"""Run the detection service on its own: ``python -m services.yolo``."""

import sys

from services.yolo.app import build
from services.yolo.settings import YoloSettings
from shared.app import run

if __name__ == "__main__":
    sys.exit(run("yolo", YoloSettings, build))
