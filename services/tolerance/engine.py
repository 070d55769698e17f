"""Runs the XGBoost booster: rows in, ln(zone in mm) or TreeSHAP contributions out.

All rows of a batch, whoever sent them, go through one call. One thread per booster is fastest for
the batches of a server: a second costs more to start than a hundred rows take.
"""

import ctypes
import json
import weakref
from array import array
from collections.abc import Callable, Hashable, Sequence
from itertools import accumulate
from math import nan
from typing import Any

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
        rows = [array("f", row).tobytes() for row in self._bundle.golden_rows]
        expected = np.array(self._bundle.golden_log_values)
        (found,) = self.run(Ask.LOG_VALUES, [rows])
        if not np.allclose(found, expected, rtol=0.0, atol=GOLDEN_TOLERANCE):
            raise EngineError(f"model {self._bundle.name} does not give the answers of its card")
        self.run(Ask.CONTRIBUTIONS, [rows[:1]])

    def run(self, key: Hashable, payloads: Sequence[Sequence[bytes]]) -> Sequence[list[Any]]:
        """Predict or explain the rows of several requests at once.

        Args:
            key: an ``Ask``.
            payloads: each n_rows rows of n_columns native float32.

        Returns:
            For each payload its n_rows values or, for contributions, as many lists of
            n_columns + 1.

        Raises:
            EngineError: a row has another width.
        """
        assert self._margins is not None
        packed = [row for rows in payloads for row in rows]
        rows = self._margins.matrix(b"".join(packed), len(packed))
        values = self._explained(rows) if key == Ask.CONTRIBUTIONS else self._margins.of(rows)
        ends = accumulate(map(len, payloads))
        return [values[end - len(rows) : end] for rows, end in zip(payloads, ends, strict=True)]

    def _explained(self, rows: FloatArray) -> list[Any]:
        assert self._booster is not None
        data = xgboost.DMatrix(rows, nthread=self._threads)
        # TreeSHAP of Lundberg et al. 2020, exact for trees. Names are checked with the card.
        values = self._booster.predict(data, pred_contribs=True, validate_features=False)
        return list(values.tolist())

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
    (https://xgboost.readthedocs.io/en/stable/c.html), with one matrix for the facts about the
    data: without, each call makes one, and that reads the limits of the control group from disk.
    """

    def __init__(self, booster: xgboost.Booster) -> None:
        self._booster = booster  # owns the handle
        self._columns = booster.num_features()
        options = {"type": 1, "training": False, "iteration_begin": 0, "iteration_end": 0,
                   "missing": nan, "strict_shape": False, "cache_id": 0}  # fmt: skip
        self._options = json.dumps(options).encode()
        self._library = ctypes.CDLL(xgboost.libpath.find_lib_path()[0])
        self._library.XGBGetLastError.restype = ctypes.c_char_p
        self._facts = ctypes.c_void_p()
        self._check(self._library.XGProxyDMatrixCreate(ctypes.byref(self._facts)))
        weakref.finalize(self, self._library.XGDMatrixFree, self._facts)
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

    def matrix(self, packed: bytes, count: int) -> FloatArray:
        """(count, n_columns) float32 around so many packed rows; refuses another width."""
        values = np.frombuffer(packed, dtype=np.float32)
        if len(values) != count * self._columns:
            columns = len(values) / count
            raise EngineError(f"rows of {columns:g} columns; the model has {self._columns}")
        return values.reshape(count, self._columns)

    def of(self, rows: FloatArray) -> list[float]:
        """(n_rows,) margins of (n_rows, n_columns) float32, contiguous."""
        address = rows.__array_interface__["data"][0]
        given = b'{"data":[%d,true],"shape":[%d,%d],"typestr":"<f4","version":3}' % (
            address, *rows.shape,
        )  # fmt: skip
        booster = self._booster.handle
        self._check(self._predict(booster, given, self._options, self._facts, *self._results))
        return self._values[: len(rows)]

    def _check(self, failed: int) -> None:
        if failed:
            raise xgboost.core.XGBoostError(self._library.XGBGetLastError().decode())


def _gpus_of_xgboost() -> int:
    """0 for builds without CUDA; else leaves the count to the driver."""
    return 255 if xgboost.build_info().get("USE_CUDA") else 0
