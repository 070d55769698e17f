"""``python -m services.yolo``: serve until told to stop."""

import sys

from services.yolo.app import build
from services.yolo.settings import YoloSettings
from shared.app import serve
from shared.settings import SettingsError


def main() -> None:
    """Read the settings and serve; a bad setting ends the process with one sentence."""
    try:
        settings = YoloSettings.from_environment()
    except SettingsError as error:
        sys.exit(f"yolo: {error}")
    serve(build(settings), settings, name="yolo")


if __name__ == "__main__":
    main()
