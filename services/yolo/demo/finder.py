"""Finds things with the shipped ONNX file alone: what evaluation and tests measure.

A whole sheet is first brought to the size of type that training used, then tiled as the service
tiles: the whole made small, for what is large, and overlapping tiles, for what is small.
"""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime

from services.yolo.demo.accuracy import Found
from services.yolo.demo.windows import TILE_PX
from services.yolo.engines.torchvision_ops import ensure_torchvision
from services.yolo.found import Found as OnCanvas
from services.yolo.letterbox import fit
from services.yolo.tiling import Tile, join, tiles_of, to_picture

GrayImage = npt.NDArray[np.uint8]

SHEET_PX = 1300  # long side of a sheet: A4 with 3.5 mm type gives 15 px
_OVERLAP_SHARE = 0.2  # as the service without tile_overlap
_SAME_IOU = 0.6
_MOST = 1000  # things on a sheet


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
        scale = SHEET_PX / max(sheet.shape)
        height, width = (round(side * scale) for side in sheet.shape)
        small = cv2.resize(sheet, (width, height), interpolation=cv2.INTER_AREA)
        tiles = tiles_of(width, height, tile_px=TILE_PX, overlap_share=_OVERLAP_SHARE)
        joined = join(
            [self._on_tile(np.asarray(small, np.uint8), each, least_confidence) for each in tiles],
            tiles,
            iou_threshold=_SAME_IOU,
            max_detections=_MOST,
        )
        return Found(joined.boxes / scale, joined.scores, joined.class_ids.astype(np.int64))

    def _on_tile(self, sheet: GrayImage, tile: Tile, least_confidence: float) -> OnCanvas:
        """What a tile holds, in pixels of the sheet."""
        part = sheet[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width]
        placed = fit(tile.width, tile.height, canvas=(TILE_PX, TILE_PX), stride_px=None)
        canvas = placed.paint(np.repeat(part[:, :, None], 3, axis=2))[:, :, 0]
        found = self.find(canvas, least_confidence)
        on_canvas = OnCanvas(found.boxes, found.confidences, found.class_ids.astype(np.int32))
        return to_picture(on_canvas, placed, tile)


def _suppress(scores: npt.NDArray[np.float32], least_confidence: float) -> Found:
    import torch
    from ultralytics.utils.nms import non_max_suppression

    kept = non_max_suppression(
        torch.from_numpy(scores), conf_thres=least_confidence, iou_thres=_SAME_IOU, max_det=300
    )
    rows = kept[0].numpy()
    return Found(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64))
