"""Runs the XGBoost booster: rows in, ln(zone in mm) or TreeSHAP contributions out.

All rows of a batch, whoever sent them, go through one ``inplace_predict``. One thread per booster
is fastest for the batches of a server: a second costs more to start than a hundred rows take.
"""

from collections.abc import Callable, Hashable, Sequence
from itertools import accumulate

import numpy as np
import xgboost
from numpy.typing import NDArray

from services.tolerance.asks import Ask
from services.tolerance.bundle import Bundle
from shared.engine import EngineInfo
from shared.errors import EngineError
from shared.gpu.device import Device, choose_device

FloatArray = NDArray[np.float32]

GOLDEN_TOLERANCE = 1e-4  # of ln(mm); float32 sums over the trees differ less between machines


class ToleranceEngine:
    """One booster, loaded from a model folder."""

    def __init__(
        self, find_bundle: Callable[[], Bundle], *, device: str = "cpu", threads: int = 1
    ) -> None:
        """Remember where the model is; nothing is read yet.

        Args:
            find_bundle: reads and verifies the model's files, raises ``ModelMissing``.
            device: ``cpu``, ``cuda`` or ``cuda:N``; ``auto`` means ``cpu``.
            threads: of one batch.
        """
        self._find_bundle = find_bundle
        self._device = device
        self._threads = threads
        self._bundle: Bundle | None = None
        self._booster: xgboost.Booster | None = None

    def load(self) -> EngineInfo:
        """Load the booster; as ``Engine.load``."""
        device = self._choose_device()
        self._bundle = bundle = self._find_bundle()
        self._booster = xgboost.Booster(model_file=bundle.model_path)
        self._booster.set_param({"nthread": self._threads, "device": device.name})
        return EngineInfo(
            model=bundle.name,
            device=device.name,
            device_reason=device.reason,
            demo=bundle.card["training"]["measured_rows"] == 0,
            licence=bundle.card["licence"],
            details=(("version", bundle.version),),
        )

    def warm_up(self) -> None:
        """Check the answers to the rows that the model card records."""
        assert self._bundle is not None
        rows = np.array(self._bundle.golden_rows, dtype=np.float32)
        expected = np.array(self._bundle.golden_log_values)
        (found,) = self.run(Ask.LOG_VALUES, [rows])
        if not np.allclose(found, expected, rtol=0.0, atol=GOLDEN_TOLERANCE):
            raise EngineError(f"model {self._bundle.name} does not give the answers of its card")
        self.run(Ask.CONTRIBUTIONS, [rows[:1]])

    def run(self, key: Hashable, payloads: Sequence[FloatArray]) -> Sequence[FloatArray]:
        """Predict or explain the rows of several requests at once.

        Args:
            key: an ``Ask``.
            payloads: each (n_rows, n_columns) float32.

        Returns:
            For each payload (n_rows,) or, for contributions, (n_rows, n_columns + 1), float32.
        """
        assert self._booster is not None
        rows = payloads[0] if len(payloads) == 1 else np.concatenate(payloads)
        if key == Ask.CONTRIBUTIONS:
            data = xgboost.DMatrix(rows, nthread=self._threads)
            # TreeSHAP of Lundberg et al. 2020, exact for trees. Names are checked with the card.
            values = self._booster.predict(data, pred_contribs=True, validate_features=False)
        else:
            values = self._booster.inplace_predict(rows, predict_type="margin")
        if len(payloads) == 1:
            return [values]
        ends = list(accumulate(map(len, payloads)))
        return [values[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    def close(self) -> None:
        """Drop the booster."""
        self._booster = self._bundle = None

    def _choose_device(self) -> Device:
        if self._device in ("auto", "cpu"):
            return Device("cpu", "a batch is done before it would have reached a GPU")
        # XGBoost itself only warns and goes on with the CPU when there is no GPU.
        return choose_device(self._device, runtime_gpus=_gpus_of_xgboost)


def _gpus_of_xgboost() -> int:
    """0 for builds without CUDA; else leaves the count to the driver."""
    return 255 if xgboost.build_info().get("USE_CUDA") else 0
