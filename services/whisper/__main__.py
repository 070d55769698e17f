"""``python -m services.whisper``: run the speech service alone."""

from services.whisper.app import build
from services.whisper.settings import WhisperSettings
from shared.app import serve

if __name__ == "__main__":
    settings = WhisperSettings.from_environment()
    serve(build(settings), settings, name="whisper")
