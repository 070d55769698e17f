"""Cut large pictures into overlapping tiles, and put what was found on them together.

Small things on a drawing-size picture vanish when it is shrunk to the model's canvas; on a tile
they keep their size. A thing in an overlap is found twice, and one that a tile cuts through is
found in part: both are removed when the tiles are put together. A thing larger than a tile is seen
whole only on the whole picture, which is searched too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from services.yolo.boxes import Indices, best_first, intersection, overlap
from services.yolo.found import FloatArray, Found
from services.yolo.letterbox import Letterbox

SAME_IOU = 0.5
"""Boxes of two tiles that overlap more than this show the same thing."""
CONTAINED = 0.7
"""A cut box of which another holds more than this share is a part of it."""
PART_SCORE = 0.5
"""A thing larger than a tile holds its parts though they score higher, up to one over this."""
BORDER_PX = 2.0
"""A box that ends this near to a tile's inner border may be cut there."""


@dataclass(frozen=True)
class Tile:
    """A part of a picture, in its pixels."""

    left: int
    top: int
    width: int
    height: int

    def touches_inner_border(
        self, boxes: FloatArray, picture_width: int, picture_height: int
    ) -> NDArray[np.bool_]:
        """Which boxes (n, 4), in pixels of the picture, end where this tile cuts it."""
        right, bottom = self.left + self.width, self.top + self.height
        cut = np.zeros(len(boxes), bool)
        if self.left > 0:
            cut |= boxes[:, 0] <= self.left + BORDER_PX
        if self.top > 0:
            cut |= boxes[:, 1] <= self.top + BORDER_PX
        if right < picture_width:
            cut |= boxes[:, 2] >= right - BORDER_PX
        if bottom < picture_height:
            cut |= boxes[:, 3] >= bottom - BORDER_PX
        return cut


def tiles_of(width_px: int, height_px: int, *, tile_px: int, overlap_share: float) -> list[Tile]:
    """The whole picture and, where it is larger than one, the tiles that cover it.

    Args:
        width_px: width of the picture.
        height_px: its height.
        tile_px: side of a tile.
        overlap_share: least overlap of neighbours, as a share of the side, below 1.
    """
    whole = Tile(0, 0, width_px, height_px)
    if max(width_px, height_px) <= tile_px:
        return [whole]
    return [whole] + [
        Tile(left, top, min(tile_px, width_px), min(tile_px, height_px))
        for top in _starts(height_px, tile_px, overlap_share)
        for left in _starts(width_px, tile_px, overlap_share)
    ]


def count_tiles(width_px: int, height_px: int, *, tile_px: int, overlap_share: float) -> int:
    """How many parts ``tiles_of`` would give, without making them."""
    if max(width_px, height_px) <= tile_px:
        return 1
    across = _count(width_px, tile_px, overlap_share)
    return 1 + across * _count(height_px, tile_px, overlap_share)


def _starts(length_px: int, tile_px: int, overlap_share: float) -> list[int]:
    """Where tiles begin along one side: evenly spaced, from edge to edge."""
    count = _count(length_px, tile_px, overlap_share)
    return [round(n * (length_px - tile_px) / max(1, count - 1)) for n in range(count)]


def _count(length_px: int, tile_px: int, overlap_share: float) -> int:
    """Tiles along one side."""
    step_px = max(1, int(tile_px * (1 - overlap_share)))
    return -(-max(0, length_px - tile_px) // step_px) + 1


def to_picture(found: Found, placed: Letterbox, tile: Tile, *, clip_polygons: bool = True) -> Found:
    """What was found on a canvas, in pixels of the picture that the tile was cut from.

    Args:
        found: in pixels of the canvas.
        placed: where the tile lies on the canvas.
        tile: where it lies in the picture.
        clip_polygons: False for oriented boxes, whose corners may lie beyond the picture: moved
            onto its border they would not be a rectangle any more.
    """
    offset = np.array([tile.left, tile.top], np.float32)

    def moved(points: FloatArray, clip: bool = True) -> FloatArray:
        return placed.to_image(points, clip=clip) + offset

    keypoints = found.keypoints
    if keypoints is not None:
        keypoints = np.concatenate([moved(keypoints[..., :2]), keypoints[..., 2:]], axis=-1)
    return replace(
        found,
        boxes=moved(found.boxes.reshape(-1, 2, 2)).reshape(-1, 4),
        polygons=[moved(each, clip_polygons) for each in found.polygons],
        keypoints=keypoints,
    )


def join(
    parts: Sequence[Found],
    tiles: Sequence[Tile],
    *,
    iou_threshold: float,
    max_detections: int,
) -> Found:
    """Put together what was found on the tiles of one picture.

    Args:
        parts: what was found on each tile, in pixels of the picture.
        tiles: the tiles; the first is the whole picture.
        iou_threshold: of the request; at most ``SAME_IOU`` is used, since the same thing is placed
            a little differently on each tile.
        max_detections: most detections to keep.

    Returns:
        The best of what is left, best first.
    """
    if len(parts) == 1:
        return parts[0]
    whole = tiles[0]
    is_cut = np.concatenate(
        [
            tile.touches_inner_border(part.boxes, whole.width, whole.height)
            for part, tile in zip(parts, tiles, strict=True)
        ]
    )
    together = _concatenated(parts)
    iou_threshold = min(iou_threshold, SAME_IOU)
    is_part = _is_part(together, len(parts[0]), tiles[1], iou_threshold)
    candidates = np.flatnonzero(~is_part)
    kept = candidates[_suppress(_taken(together, candidates), is_cut[candidates], iou_threshold)]
    kept = kept[best_first(together.scores[kept], max_detections)]
    return _taken(together, kept)


def _is_part(found: Found, n_whole: int, tile: Tile, iou_threshold: float) -> NDArray[np.bool_]:
    """Which boxes of tiles show a part of a thing that no tile can hold.

    Such a part need not end at the tile's border: what a model makes of half a thing is a guess.

    Args:
        found: on the whole picture, then on the tiles.
        n_whole: how many of it were found on the whole picture.
        tile: all tiles have its size.
        iou_threshold: boxes that overlap by more show the same thing, not a part.
    """
    is_part = np.zeros(len(found), bool)
    sides = found.boxes[:n_whole, 2:] - found.boxes[:n_whole, :2]
    boxes, areas = found.boxes[n_whole:], _areas(found.boxes[n_whole:])
    for large in np.flatnonzero((sides > (tile.width, tile.height)).any(axis=1)):
        box = found.boxes[large]
        is_part[n_whole:] |= (
            (found.class_ids[n_whole:] == found.class_ids[large])
            & (intersection(box, boxes) > CONTAINED * areas)
            & (overlap(box, boxes) <= iou_threshold)
            & (PART_SCORE * found.scores[n_whole:] <= found.scores[large])
        )
    return is_part


def _areas(boxes: FloatArray) -> FloatArray:
    return np.asarray(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), np.float32)


def _suppress(found: Found, is_cut: NDArray[np.bool_], iou_threshold: float) -> Indices:
    """Whole boxes go before cut ones; a cut box also goes when a better one holds most of it."""
    best = best_first(found.scores)
    kept: list[Indices] = []
    for class_id in np.unique(found.class_ids):
        own = best[found.class_ids[best] == class_id]
        own = own[np.argsort(found.boxes[own, 0], kind="stable")]
        order = np.lexsort((-found.scores[own], is_cut[own]))
        kept.append(own[_suppress_class(found.boxes[own], order, is_cut[own], iou_threshold)])
    return np.concatenate(kept) if kept else best


def _suppress_class(
    boxes: FloatArray, order: Indices, is_cut: NDArray[np.bool_], iou_threshold: float
) -> list[int]:
    """The boxes to keep of one class.

    Args:
        boxes: (n, 4) xyxy, from the left: a box is compared only with those near it.
        order: the best first.
        is_cut: which end at a tile's inner border.
        iou_threshold: a box that overlaps a better one by more than this goes.
    """
    lefts, areas = boxes[:, 0], np.maximum(_areas(boxes), 1e-6)
    widest = (boxes[:, 2] - lefts).max()
    is_free = np.ones(len(boxes), bool)
    kept: list[int] = []
    for best in order.tolist():
        if not is_free[best]:
            continue
        kept.append(best)
        box = boxes[best]
        near = slice(
            np.searchsorted(lefts, box[0] - widest), np.searchsorted(lefts, box[2], "right")
        )
        share = intersection(box, boxes[near]) / areas[near]
        is_same = overlap(box, boxes[near]) > iou_threshold
        is_free[near] &= ~(is_same | (is_cut[near] & (share > CONTAINED)))
    return kept


def _concatenated(parts: Sequence[Found]) -> Found:
    points = [part.keypoints for part in parts if part.keypoints is not None]
    return Found(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.class_ids for part in parts]),
        [outline for part in parts for outline in part.polygons],
        np.concatenate(points) if points else None,
    )


def _taken(found: Found, indices: Indices) -> Found:
    return Found(
        found.boxes[indices],
        found.scores[indices],
        found.class_ids[indices],
        [found.polygons[index] for index in indices] if found.polygons else [],
        found.keypoints[indices] if found.keypoints is not None else None,
    )
