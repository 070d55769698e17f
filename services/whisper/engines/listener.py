"""The listener: voice activity and log-mel features, the host stages before the model.

Silero VAD comes as an ONNX file inside faster-whisper's wheel. The library's own wrapper hears
whole recordings only; here the state is carried from piece to piece, so that a recording of any
length is heard in bounded memory and with the same result.
"""

from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.vad import get_vad_model

from services.whisper.tasks import (
    FRAME_SAMPLES,
    LISTEN,
    SAMPLE_RATE_HZ,
    FeatureTask,
    FloatArray,
    Heard,
    ListenTask,
    VadState,
)
from shared.engine import Engine, EngineInfo
from shared.errors import EngineError

CONTEXT_SAMPLES = 64
STATE_SHAPE = (1, 1, 128)
MIN_SAMPLES = SAMPLE_RATE_HZ // 20
"""Shorter windows are filled with silence: the transform needs more than half its length."""


class Listener:
    """Hears speech and computes features; always on the CPU."""

    def load(self) -> EngineInfo:
        """Load the detector from faster-whisper's wheel."""
        self._session = get_vad_model().session
        return EngineInfo(model="silero-vad-v6", device="cpu", licence="MIT")

    def warm_up(self) -> None:
        """Hear half a second of silence, which must not be taken for speech."""
        silence = np.zeros(16 * FRAME_SAMPLES, np.float32)
        if self._hear(ListenTask(silence)).probabilities.max() > 0.5:
            raise EngineError("the voice activity detector takes silence for speech")
        log_mel(silence, n_mels=80)

    def run(self, key: Hashable, payloads: Sequence[Any]) -> Sequence[Any]:
        """Answer ``ListenTask`` with ``Heard``, ``FeatureTask`` with (n_mels, n_frames) float32."""
        if key == LISTEN:
            return [self._hear(task) for task in payloads]
        return [_features(task) for task in payloads]

    def close(self) -> None:
        """Nothing is held that the process would not free."""

    def _hear(self, task: ListenTask) -> Heard:
        state = task.state or VadState(
            np.zeros(STATE_SHAPE, np.float32),
            np.zeros(STATE_SHAPE, np.float32),
            np.zeros(CONTEXT_SAMPLES, np.float32),
        )
        frames = task.samples.reshape(-1, FRAME_SAMPLES)
        # Each frame is heard together with the end of the one before it.
        before = np.vstack([state.context, frames[:-1, -CONTEXT_SAMPLES:]])
        output, hidden, cell = self._session.run(
            None,
            {"input": np.hstack([before, frames]), "h": state.hidden, "c": state.cell},
        )
        context = frames[-1, -CONTEXT_SAMPLES:].copy()
        return Heard(output.reshape(-1), VadState(hidden, cell, context))


def _features(task: FeatureTask) -> FloatArray:
    return log_mel(task.samples, n_mels=task.n_mels)


def log_mel(samples: FloatArray, *, n_mels: int) -> FloatArray:
    """Log-mel spectrogram as Whisper wants it.

    Args:
        samples: (n_samples,), mono, 16 kHz.
        n_mels: 80, or 128 for large-v3 and its kin.

    Returns:
        (n_mels, n_frames), one frame for each 10 ms.
    """
    missing = max(0, MIN_SAMPLES - len(samples))
    features: FloatArray = _extractor(n_mels)(np.pad(samples, (0, missing)))
    # The last frame is of the filling that the extractor adds; faster-whisper drops it too.
    return np.ascontiguousarray(features[:, :-1], np.float32)


@cache
def _extractor(n_mels: int) -> FeatureExtractor:
    return FeatureExtractor(feature_size=n_mels)


def create_listener(_options: Mapping[str, Any]) -> Engine:
    """Called by the listener's process."""
    return Listener()
