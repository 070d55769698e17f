"""Reads lines with the shipped ONNX file alone: what evaluation and tests measure."""

import math
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime

from services.ocr.demo.alphabet import SPACE
from services.ocr.demo.render import LINE_HEIGHT_PX
from services.ocr.engines.ctc import decode

Picture = npt.NDArray[np.uint8]

_SMALLEST_WIDTH_PX = 320  # PP-OCR pads short lines to this


class Reader:
    """A recogniser of PP-OCR's interface, with its characters in the file's metadata."""

    def __init__(self, model: Path, threads: int = 1) -> None:
        """Load a model."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )
        characters = self._session.get_modelmeta().custom_metadata_map["character"].split("\n")
        self._letters = ["", *characters, SPACE]

    def read(self, line: Picture) -> str:
        """The text of one line.

        Args:
            line: (height, width) grey levels or (height, width, 3) BGR, uint8.
        """
        if line.ndim == 2:
            line = np.repeat(line[:, :, None], 3, axis=2)
        width = max(1, math.ceil(LINE_HEIGHT_PX * line.shape[1] / line.shape[0]))
        resized = cv2.resize(line, (width, LINE_HEIGHT_PX)).astype(np.float32) / 127.5 - 1
        padded = np.zeros((1, 3, LINE_HEIGHT_PX, max(width, _SMALLEST_WIDTH_PX)), np.float32)
        padded[0, :, :, :width] = resized.transpose(2, 0, 1)
        probabilities = self._session.run(None, {self._session.get_inputs()[0].name: padded})[0]
        return decode(probabilities[0], self._letters, used=1.0).text
