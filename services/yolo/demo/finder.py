"""Finds things with the shipped ONNX file alone: what evaluation and tests measure.

A whole sheet is looked at twice: made small, for what is large, and in overlapping tiles at the
size of type that training used, for what is small.
"""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime

from services.yolo.demo.accuracy import Found
from services.yolo.demo.windows import TILE_PX
from services.yolo.engines.torchvision_ops import ensure_torchvision

GrayImage = npt.NDArray[np.uint8]

SHEET_PX = 1300  # long side of a sheet when it is cut into tiles: A4 with 3.5 mm type gives 15 px
_OVERLAP_PX = 200
_EDGE_PX = 3  # a box this near to a cut is a part of something
_PADDING = 114


class Finder:
    """A detector of Ultralytics' ONNX interface."""

    def __init__(self, model: Path, threads: int = 1) -> None:
        """Load a model."""
        ensure_torchvision()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )

    def find(self, tile: GrayImage, least_confidence: float) -> Found:
        """Everything in a square picture of TILE_PX, grey levels."""
        pixels = np.broadcast_to(tile.astype(np.float32) / 255, (1, 3, TILE_PX, TILE_PX))
        scores = self._session.run(None, {self._session.get_inputs()[0].name: pixels})[0]
        return _suppress(scores, least_confidence)

    def find_on_sheet(self, sheet: GrayImage, least_confidence: float) -> Found:
        """Everything on a drawing of any size, boxes in its pixels."""
        parts = [self._in_square(sheet, 0, 0, TILE_PX / max(sheet.shape), least_confidence)]
        scale = SHEET_PX / max(sheet.shape)
        reach = TILE_PX / scale
        for y in _starts(sheet.shape[0], reach, _OVERLAP_PX / scale):
            for x in _starts(sheet.shape[1], reach, _OVERLAP_PX / scale):
                parts.append(self._in_square(sheet, x, y, scale, least_confidence))
        return _merge(parts)

    def _in_square(
        self, sheet: GrayImage, x: float, y: float, scale: float, least_confidence: float
    ) -> Found:
        """What a square of the sheet holds, without what its edges cut."""
        height, width = sheet.shape
        x1, y1 = min(width, round(x + TILE_PX / scale)), min(height, round(y + TILE_PX / scale))
        part = sheet[round(y) : y1, round(x) : x1]
        size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
        tile = np.full((TILE_PX, TILE_PX), _PADDING, np.uint8)
        tile[: size[1], : size[0]] = cv2.resize(part, size, interpolation=cv2.INTER_AREA)[
            :TILE_PX, :TILE_PX
        ]
        found = self.find(tile, least_confidence)
        near = _EDGE_PX
        is_cut = (
            ((found.boxes[:, 0] < near) & (x > 0))
            | ((found.boxes[:, 1] < near) & (y > 0))
            | ((found.boxes[:, 2] > size[0] - near) & (x1 < width))
            | ((found.boxes[:, 3] > size[1] - near) & (y1 < height))
        )
        boxes = found.boxes / scale + np.array([x, y, x, y], np.float32)
        return Found(boxes[~is_cut], found.confidences[~is_cut], found.class_ids[~is_cut])


def _starts(length: float, reach: float, overlap: float) -> list[float]:
    """Evenly spread starts of tiles that cover a length."""
    if length <= reach:
        return [0.0]
    count = int(np.ceil((length - overlap) / (reach - overlap)))
    return [float(start) for start in np.linspace(0, length - reach, count)]


def _suppress(scores: npt.NDArray[np.float32], least_confidence: float) -> Found:
    import torch
    from ultralytics.utils.nms import non_max_suppression

    kept = non_max_suppression(
        torch.from_numpy(scores), conf_thres=least_confidence, iou_thres=0.6, max_det=300
    )
    rows = kept[0].numpy()
    return Found(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64))


def _merge(parts: list[Found]) -> Found:
    """All parts together; of boxes of a class that overlap the most confident stays."""
    boxes = np.concatenate([part.boxes for part in parts])
    confidences = np.concatenate([part.confidences for part in parts])
    class_ids = np.concatenate([part.class_ids for part in parts])
    kept: list[int] = []
    for index in np.argsort(-confidences, kind="stable"):
        same = [k for k in kept if class_ids[k] == class_ids[index]]
        if not same or _most_shared(boxes[index], boxes[same]) < 0.5:
            kept.append(int(index))
    return Found(boxes[kept], confidences[kept], class_ids[kept])


def _most_shared(box: npt.NDArray[np.float32], others: npt.NDArray[np.float32]) -> float:
    """Largest part of the smaller box that any of the others covers."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    return float(np.max(shared / np.minimum(areas, np.prod(box[2:] - box[:2]))))
