"""Answer one picture: decode, fit, run with whatever else is waiting, and map back.

Each picture, or tile of one, is an item of its own for the batcher, so that pictures of one request
and of many requests share batches.
"""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.yolo.answers import classes_of, detections_of
from services.yolo.found import Found
from services.yolo.letterbox import Letterbox, Pixels, crop_centre, fit_for
from services.yolo.plan import Plan
from services.yolo.schemas import ImageSize, PictureResult
from services.yolo.tiling import Tile, count_tiles, join, tiles_of, to_picture
from shared.batching import ItemTrace, Priority, run_parts
from shared.context import request_context
from shared.errors import FieldFault, InvalidInput
from shared.host import EngineHost
from shared.media.limits import ImageLimits
from shared.media.pool import MediaPool
from shared.recall import TwoStepCache
from shared.spool import UploadedFile

BULK_FROM = 8
"""A request with this many canvases lets requests with fewer go first, within bounds."""


@dataclass(frozen=True)
class Detector:
    """What answering a picture needs."""

    host: EngineHost
    media: MediaPool
    image_limits: ImageLimits
    max_image_size: int  # in pixels
    max_tiles: int  # of one picture
    recall: TwoStepCache  # of answers to earlier pictures


@dataclass(frozen=True)
class Decoded:
    """A picture as pixels."""

    pixels: Pixels
    decode_ms: float


@dataclass(frozen=True)
class Prepared:
    """A picture, or its tiles, on canvases."""

    width_px: int
    height_px: int
    tiles: Sequence[Tile]
    placed: Sequence[Letterbox]
    canvases: Sequence[Pixels]
    preprocess_ms: float  # decoding included
    digest: str = ""  # of all that the model will see of it; "" where nothing is remembered


async def decode(detector: Detector, file: UploadedFile) -> Decoded:
    """Decode a picture upright.

    Raises:
        UnsupportedMedia: not a picture, or damaged.
        PayloadTooLarge: it has too many pixels.
    """
    started = time.perf_counter()
    picture = await detector.media.decode_image(file.path, detector.image_limits)
    return Decoded(picture.pixels, (time.perf_counter() - started) * 1000)


async def prepare(detector: Detector, decoded: Decoded, chosen: Plan) -> Prepared:
    """Fit a decoded picture, or each of its tiles, onto the canvas that the model takes.

    Raises:
        InvalidInput: the picture would need too many tiles.
    """
    started = time.perf_counter()
    height, width = decoded.pixels.shape[:2]
    tiles = _tiles(chosen, width, height, detector.max_tiles)
    placed, canvases = await asyncio.to_thread(_fit, decoded.pixels, tiles, chosen)
    seen = await asyncio.to_thread(_seen, width, height, canvases) if detector.recall.is_on else ""
    spent_ms = decoded.decode_ms + (time.perf_counter() - started) * 1000
    request_context().add_ms("preprocess", spent_ms)
    return Prepared(width, height, tiles, placed, canvases, spent_ms, seen)


async def detect(
    detector: Detector, prepared: Prepared, chosen: Plan, index: int, *, pictures: int = 1
) -> PictureResult:
    """Run a prepared picture and bring what was found back to its pixels.

    Args:
        detector: the service's engine.
        prepared: the picture on its canvases.
        chosen: what was asked for.
        index: place of the picture in the request.
        pictures: how many the request holds.

    Raises:
        GantryError: the model cannot take it now, or failed on it.
    """
    is_bulk = max(pictures, len(prepared.canvases)) >= BULK_FROM
    priority = Priority.BULK if is_bulk else Priority.INTERACTIVE
    traces = [ItemTrace() for _ in prepared.canvases]
    parts = await run_parts(
        lambda index: _run(detector, prepared.canvases[index], chosen, traces[index], priority),
        range(len(traces)),
    )
    with request_context().measure("postprocess"):
        result = PictureResult(
            index=index,
            image=ImageSize(width=prepared.width_px, height=prepared.height_px),
            timing_ms={
                "queue": round(max(trace.queue_ms for trace in traces), 3),
                "preprocess": round(prepared.preprocess_ms, 3),
                "inference": round(
                    sum(trace.inference_ms / max(1, trace.batch_items) for trace in traces), 3
                ),
            },
        )
        if chosen.facts.task == "classify":
            result.classes = classes_of(parts[0], chosen.facts)
        else:
            result.detections = detections_of(
                # What is found on many tiles is too much to join on the event loop.
                await asyncio.to_thread(_joined, parts, prepared, chosen)
                if len(parts) > 1
                else _joined(parts, prepared, chosen),
                chosen.facts,
            )
    return result


async def _run(
    detector: Detector, canvas: Pixels, chosen: Plan, trace: ItemTrace, priority: Priority
) -> Found:
    height, width = canvas.shape[:2]
    found: Found = await detector.host.run(
        canvas,
        key=chosen.key(height, width),
        weight=float(height * width),
        priority=priority,
        size_bytes=canvas.nbytes,
        trace=trace,
    )
    return found


def _joined(parts: Sequence[Found], prepared: Prepared, chosen: Plan) -> Found:
    return join(
        [
            to_picture(part, placed, tile, clip_polygons=chosen.facts.task != "obb")
            for part, placed, tile in zip(parts, prepared.placed, prepared.tiles, strict=True)
        ],
        prepared.tiles,
        iou_threshold=chosen.iou_threshold,
        max_detections=chosen.max_detections,
    )


def _tiles(chosen: Plan, width: int, height: int, limit: int) -> list[Tile]:
    if chosen.tile_px is None:
        return [Tile(0, 0, width, height)]
    size, share = chosen.tile_px, chosen.tile_overlap
    count = count_tiles(width, height, tile_px=size, overlap_share=share)
    if count > limit:  # before any is made: there could be millions
        message = (
            f"a picture of {width} x {height} pixels would need {count} tiles; "
            f"the limit is {limit}: raise tile_size or lower tile_overlap"
        )
        raise InvalidInput(message, faults=[FieldFault("tile_size", message)])
    return tiles_of(width, height, tile_px=size, overlap_share=share)


def _seen(width: int, height: int, canvases: Sequence[Pixels]) -> str:
    total = hashlib.sha256(f"{width} {height}".encode())
    for canvas in canvases:
        total.update(np.ascontiguousarray(canvas).data)
    return total.hexdigest()


def _fit(
    pixels: Pixels, tiles: Sequence[Tile], chosen: Plan
) -> tuple[list[Letterbox], list[Pixels]]:
    placed = [fit_for(chosen.facts, each.width, each.height, chosen.image_size) for each in tiles]
    if chosen.facts.task == "classify":
        return placed, [crop_centre(pixels, chosen.image_size)]
    parts = [
        pixels[each.top : each.top + each.height, each.left : each.left + each.width]
        for each in tiles
    ]
    return placed, [box.paint(part) for box, part in zip(placed, parts, strict=True)]
