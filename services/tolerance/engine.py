"""Runs the XGBoost booster: rows in, ln(zone in mm) or TreeSHAP contributions out.

``inplace_predict`` is thread-safe while nothing changes the booster, and one thread per booster is
the fastest for the small batches of a server (more threads cost more to start than one row takes).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xgboost
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


class BoosterModel:
    """A loaded booster that answers batches of rows."""

    def __init__(self, model_path: Path, *, threads: int = 1, device: str = "cpu") -> None:
        """Load weights in UBJ form.

        Args:
            model_path: file that ends in ``.ubj``.
            threads: of one prediction; 1 unless batches are in the thousands.
            device: ``cpu`` or ``cuda``.
        """
        self._booster = xgboost.Booster({"nthread": threads, "device": device})
        self._booster.load_model(model_path)
        self._booster.set_param({"nthread": threads, "device": device})

    def log_values(self, rows: FloatArray) -> FloatArray:
        """Predict ln(zone in mm): (n_rows, n_columns) float32 to (n_rows,)."""
        values: FloatArray = self._booster.inplace_predict(rows, predict_type="margin")
        return values

    def contributions(self, rows: FloatArray) -> FloatArray:
        """Explain ln(zone in mm) by TreeSHAP (Lundberg et al. 2020), exact for trees.

        Returns:
            (n_rows, n_columns + 1), base value last; each row sums to its ``log_values``.
        """
        values: FloatArray = self._booster.predict(
            xgboost.DMatrix(rows, nthread=1), pred_contribs=True, validate_features=False
        )
        return values


def predict_groups(model: BoosterModel, groups: Sequence[FloatArray]) -> list[FloatArray]:
    """Predict several clients' rows in one call and hand each its own."""
    values = model.log_values(np.concatenate(groups))
    return np.split(values, np.cumsum([len(group) for group in groups])[:-1])
