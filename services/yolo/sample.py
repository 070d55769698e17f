"""A picture to try a model on: the same each time, with something to see."""

import numpy as np

from services.yolo.letterbox import Pixels


def sample_canvas(height_px: int, width_px: int) -> Pixels:
    """Edges, colours and texture, (height, width, 3) uint8 RGB."""
    rows, columns = np.mgrid[:height_px, :width_px]
    waves = np.sin(rows / 9.0) * np.cos(columns / 13.0)
    ramp = columns / width_px
    rings = np.sin(np.hypot(rows - height_px / 2, columns - width_px / 3) / 7.0)
    picture = np.stack([waves, 2 * ramp - 1, rings], axis=-1)
    return np.clip((picture + 1) * 127.5, 0, 255).astype(np.uint8)
