"""The other services as this one sees them: what is sent, and what is made of the answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from services.drawings.geometry import Box, turned_back
from services.drawings.lines import TextLine
from shared.errors import UpstreamBroken
from shared.gateway_client import Calls

OCR_PATH = "/v1/ocr"
DETECT_PATH = "/v1/detect"
PREDICT_PATH = "/v1/tolerance/predict"
DETECT_TILE_PX, DETECT_OVERLAP = 640, 0.2  # as the detector was trained
MOST_TILES = 120  # of one sheet; the detector refuses more than 128 by default
LEAST_CONFIDENCE = 0.3
TOP_MARGIN, SIDE_MARGIN = 0.15, 0.12  # of the OCR's boxes, in heights of a box


@dataclass(frozen=True)
class ReadText:
    """Lines that the OCR found in a picture."""

    lines: tuple[TextLine, ...]
    model: str


@dataclass(frozen=True)
class Detected:
    """One thing that the detector found."""

    class_name: str
    confidence: float
    box: Box


@dataclass(frozen=True)
class Symbols:
    """What the detector found in a picture."""

    found: tuple[Detected, ...]
    model: str


async def read_text(
    calls: Calls, picture: bytes, *, languages: str | None, tile_px: int, reserve_s: float
) -> ReadText:
    """Read the lines of a picture.

    Raises:
        GantryError: the service, the gateway or the time failed.
    """
    params: dict[str, Any] = {"min_confidence": LEAST_CONFIDENCE, "tile_size": tile_px}
    if languages:
        params["languages"] = languages
    body = await calls.post(OCR_PATH, params=params, content=picture, reserve_s=reserve_s)
    try:
        page = body["pages"][0]
        return ReadText(tuple(_line(each) for each in page["lines"]), str(body["model"]))
    except (LookupError, TypeError, ValueError) as error:
        raise UpstreamBroken("the OCR answered in a form that is not known") from error


def _line(body: Mapping[str, Any]) -> TextLine:
    polygon = np.array(body["polygon"], float).reshape(4, 2)
    length = (np.hypot(*(polygon[1] - polygon[0])) + np.hypot(*(polygon[2] - polygon[3]))) / 2
    height = (np.hypot(*(polygon[3] - polygon[0])) + np.hypot(*(polygon[2] - polygon[1]))) / 2
    angle_deg = float(body["angle_deg"])
    # The detector leaves a margin around the letters.
    inner = turned_back(np.array([SIDE_MARGIN, TOP_MARGIN]) * height, angle_deg) + polygon[0]
    return TextLine(
        str(body["text"]),
        (float(inner[0]), float(inner[1])),
        float(max(length - 2 * SIDE_MARGIN * height, 0.1 * height)),
        float((1 - 2 * TOP_MARGIN) * height),
        angle_deg,
        float(body["confidence"]),
        "ocr",
    )


def detect_tile_px(width_px: int, height_px: int) -> int:
    """Side of the tiles of a sheet: as trained, or as much larger as keeps them few enough."""
    tile_px = DETECT_TILE_PX

    def across(length_px: int) -> int:
        return ceil(max(0, length_px - tile_px) / (tile_px * (1 - DETECT_OVERLAP))) + 1

    while across(width_px) * across(height_px) > MOST_TILES:
        tile_px += DETECT_TILE_PX // 4
    return tile_px


async def find_symbols(
    calls: Calls, picture: bytes, size_px: tuple[int, int], *, reserve_s: float
) -> Symbols:
    """Find views, frames, title block and symbols in a picture.

    Args:
        calls: to the detector.
        picture: encoded.
        size_px: its width and height.
        reserve_s: time to leave for what comes after.

    Raises:
        GantryError: the service, the gateway or the time failed.
    """
    params = {"tile_size": detect_tile_px(*size_px), "tile_overlap": DETECT_OVERLAP}
    body = await calls.post(DETECT_PATH, params=params, content=picture, reserve_s=reserve_s)
    try:
        found = tuple(
            Detected(
                str(each["class_name"]),
                float(each["confidence"]),
                Box(*(float(each["box"][side]) for side in ("x1", "y1", "x2", "y2"))),
            )
            for each in body["results"][0]["detections"]
        )
        return Symbols(found, str(body["model"]))
    except (LookupError, TypeError, ValueError) as error:
        raise UpstreamBroken("the detector answered in a form that is not known") from error


async def predict_tolerances(
    calls: Calls, parts: Sequence[Mapping[str, Any]], *, reserve_s: float
) -> tuple[list[dict[str, Any]], str]:
    """Predict what a process holds; one result for each characteristic of each part.

    Raises:
        GantryError: the service, the gateway or the time failed.
    """
    body = await calls.post(PREDICT_PATH, json={"parts": list(parts)}, reserve_s=reserve_s)
    try:
        return [dict(each) for each in body["results"]], str(body["model"])
    except (LookupError, TypeError, ValueError) as error:
        raise UpstreamBroken("the tolerance service answered in an unknown form") from error
