"""Encoder output of a batch, and how to take some of its rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ctranslate2
import numpy as np

from services.whisper.tasks import FloatArray


@dataclass(frozen=True)
class Encoded:
    """What the encoder made of some windows."""

    model: Any
    view: Any  # (n_windows, n_states, width) on the device
    states: FloatArray | None  # the same in memory, on the CPU
    features: FloatArray | None = None  # (n_windows, n_mels, n_frames)

    def rows(self, rows: Sequence[int]) -> Any:  # noqa: ANN401 - untyped library
        """Some windows, in the given order; rows on a GPU cannot be taken out, only made anew."""
        if list(rows) == list(range(self.view.shape[0])):
            return self.view
        if self.states is not None:
            return as_view(self.states[rows])
        assert self.features is not None
        return self.model.encode(as_view(self.features[rows]))


def encode(model: Any, features: FloatArray, *, on_cpu: bool) -> Encoded:  # noqa: ANN401 - untyped
    """Encode windows.

    Args:
        model: CTranslate2's.
        features: (n_windows, n_mels, n_frames) float32.
        on_cpu: where the model runs.
    """
    if not on_cpu:
        return Encoded(model, model.encode(as_view(features)), None, features)
    # One by one: the attention of several windows overflows the caches of a CPU.
    alone = [np.array(model.encode(as_view(row[np.newaxis]))) for row in features]
    states = alone[0] if len(alone) == 1 else np.concatenate(alone)
    return Encoded(model, as_view(states), states, features)


def as_view(values: FloatArray) -> Any:  # noqa: ANN401 - untyped library
    """An array as CTranslate2 takes it."""
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(values))
