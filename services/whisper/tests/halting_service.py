"""The service in a process of its own, whose model stops after a number of windows.

``python -m services.whisper.tests.halting_service PORT CACHE_DIR WINDOWS``
"""

import sys
from pathlib import Path

from services.whisper.app import build
from services.whisper.engines.listener import Listener
from services.whisper.settings import WhisperSettings
from services.whisper.tests.gated_engine import GatedEngine
from shared.app import serve


def main(port, cache_dir, windows):
    engine = GatedEngine(window_s=30)
    for _ in range(int(windows)):
        engine.permits.release()
    settings = WhisperSettings(
        port=int(port), cache_dir=Path(cache_dir), max_batch_size=1, log_level="warning"
    )
    serve(build(settings, engine, Listener()), settings, name="whisper")


if __name__ == "__main__":
    main(*sys.argv[1:])
