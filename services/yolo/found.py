"""What travels between the service and its engine's process: the batch key and what was found."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class BatchKey:
    """What all pictures of a batch have in common: canvas shape and every option.

    Because options are part of the key, two requests with different thresholds never meet in one
    batch.
    """

    height_px: int  # of the canvas
    width_px: int
    confidence: float  # 0 to 1; what scores above it is kept
    iou_threshold: float  # 0 to 1; of two boxes of a class that overlap more, the better one stays
    max_detections: int
    class_ids: tuple[int, ...] | None = None  # None: all classes


@dataclass(frozen=True)
class Found:
    """What the model found on one canvas, best first. Coordinates are pixels of the canvas."""

    boxes: FloatArray  # (n, 4), xyxy
    scores: FloatArray  # (n,), 0 to 1
    class_ids: NDArray[np.int32]  # (n,)
    polygons: list[FloatArray] = field(default_factory=list)  # n of (points, 2); segment and obb
    keypoints: FloatArray | None = None  # (n, points, 2 or 3): x, y and confidence; pose

    def __len__(self) -> int:
        """Number of things found."""
        return len(self.scores)

    @classmethod
    def nothing(cls) -> "Found":
        """An empty answer."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))


RECORD_TYPES: tuple[type[Any], ...] = (BatchKey, Found)
