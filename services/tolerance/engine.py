"""Runs the XGBoost booster: rows in, ln(zone in mm) or TreeSHAP contributions out.

All rows of a batch, whoever sent them, go through one call. One thread per booster is fastest for
the batches of a server: a second costs more to start than a hundred rows take.
"""

import ctypes
import json
from collections.abc import Callable, Hashable, Sequence
from itertools import accumulate
from math import nan

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
        self._margins: _Margins | None = None

    def load(self) -> EngineInfo:
        """Load the booster; as ``Engine.load``."""
        device = self._choose_device()
        self._bundle = bundle = self._find_bundle()
        self._booster = xgboost.Booster(model_file=bundle.model_path)
        self._booster.set_param({"nthread": self._threads, "device": device.name})
        self._margins = _Margins(self._booster)
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
        assert self._margins is not None
        rows = payloads[0] if len(payloads) == 1 else np.concatenate(payloads)
        if key == Ask.CONTRIBUTIONS:
            data = xgboost.DMatrix(rows, nthread=self._threads)
            # TreeSHAP of Lundberg et al. 2020, exact for trees. Names are checked with the card.
            values = self._booster.predict(data, pred_contribs=True, validate_features=False)
        else:
            values = self._margins.of(rows)
        if len(payloads) == 1:
            return [values]
        ends = list(accumulate(map(len, payloads)))
        return [values[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    def close(self) -> None:
        """Drop the booster."""
        self._booster = self._bundle = self._margins = None

    def _choose_device(self) -> Device:
        if self._device in ("auto", "cpu"):
            return Device("cpu", "a batch is done before it would have reached a GPU")
        # XGBoost itself only warns and goes on with the CPU when there is no GPU.
        return choose_device(self._device, runtime_gpus=_gpus_of_xgboost)


class _Margins:
    """``Booster.inplace_predict(rows, predict_type="margin")``, but for what it does in Python.

    Finding out what kind of data it was given takes that method longer than the trees take for
    thirty rows. This calls the function of the C API that it calls: ``XGBoosterPredictFromDense``
    (https://xgboost.readthedocs.io/en/stable/c.html).
    """

    def __init__(self, booster: xgboost.Booster) -> None:
        self._booster = booster  # owns the handle
        self._columns = booster.num_features()
        options = {"type": 1, "training": False, "iteration_begin": 0, "iteration_end": 0,
                   "missing": nan, "strict_shape": False, "cache_id": 0}  # fmt: skip
        self._options = json.dumps(options).encode()
        self._library = ctypes.CDLL(xgboost.libpath.find_lib_path()[0])
        self._library.XGBGetLastError.restype = ctypes.c_char_p
        self._predict = self._library.XGBoosterPredictFromDense
        self._predict.argtypes = [
            ctypes.c_void_p,
            ctypes.c_char_p,
            ctypes.c_char_p,
            *[ctypes.c_void_p] * 4,
        ]
        self._shape, self._dimensions = ctypes.c_void_p(), ctypes.c_uint64()
        self._values = ctypes.POINTER(ctypes.c_float)()
        self._results = [
            ctypes.byref(each) for each in (self._shape, self._dimensions, self._values)
        ]

    def of(self, rows: FloatArray) -> FloatArray:
        """(n_rows,) float32 for (n_rows, n_columns) float32."""
        rows = np.ascontiguousarray(rows, dtype=np.float32)
        count, columns = rows.shape
        if columns != self._columns:
            raise EngineError(f"rows of {columns} columns; the model has {self._columns}")
        address = rows.__array_interface__["data"][0]
        given = b'{"data":[%d,true],"shape":[%d,%d],"typestr":"<f4","version":3}' % (
            address, count, columns,
        )  # fmt: skip
        if self._predict(self._booster.handle, given, self._options, None, *self._results):
            raise xgboost.core.XGBoostError(self._library.XGBGetLastError().decode())
        return np.array(self._values[:count], dtype=np.float32)


def _gpus_of_xgboost() -> int:
    """0 for builds without CUDA; else leaves the count to the driver."""
    return 255 if xgboost.build_info().get("USE_CUDA") else 0
