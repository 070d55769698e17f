"""Pages that were read before, with the same wishes by the same models.

A page is looked up by the file that was sent and its number, before anything is decoded, then by
its pixels. Each page is remembered by itself: when a long document is sent again after a crash, it
goes on where it was.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.ocr.reader import Line, PageText, ReadOptions
from services.ocr.reading_order import Block
from services.ocr.readings import FloatArray, ImageArray
from services.ocr.words import Word
from shared.cache import digest
from shared.engine import EngineInfo
from shared.recall import TwoStepCache
from shared.spool import UploadedFile


@dataclass(frozen=True)
class Recall:
    """The memory of a service, for one request."""

    cache: TwoStepCache
    wanted: Any  # JSON-like: what, beside the page, decides its text

    async def read(
        self,
        file: UploadedFile,
        place: Sequence[int | None],
        decode: Callable[[], Awaitable[ImageArray]],
        read: Callable[[ImageArray], Awaitable[PageText]],
    ) -> PageText:
        """The text of a page, remembered or read now.

        Args:
            file: the document as it was sent.
            place: what tells the page from the others of the file: its number and resolution.
            decode: gives its pixels.
            read: reads them.
        """
        sent = digest(file.sha256, list(place))
        known = await self.cache.find(sent, self.wanted)
        if known is not None:
            return page_from(known)
        pixels = await decode()
        if not self.cache.is_on:
            return await read(pixels)

        async def run() -> dict[str, Any]:
            return fields_of(await read(pixels))

        decoded = await asyncio.to_thread(_seen, pixels)
        return page_from(await self.cache.get_or_run(sent, decoded, self.wanted, run))


def wishes(options: ReadOptions, detector: EngineInfo, recognisers: EngineInfo) -> list[Any]:
    """What, beside the page, decides its text: the options in normal form, and the models."""
    digests = {each["name"]: each["digest"] for each in dict(recognisers.details)["recognisers"]}
    choice, steps = options.choice, options.cleaning
    return [
        [detector.compute_type, dict(detector.details)["digest"], recognisers.compute_type],
        [[name, digests[name]] for name in choice.recognisers],
        sorted(choice.languages),
        [options.min_confidence, options.has_words],
        [steps.clahe, steps.blur_px, steps.deskew],
        [options.tile_px, options.tile_overlap_px if options.tile_px else 0],
    ]


def fields_of(page: PageText) -> dict[str, Any]:
    """A page as JSON-like data."""
    return {
        "size": [page.width_px, page.height_px],
        "lines": [
            [line.text, line.confidence, _packed(line.polygon), line.recogniser,
             [[word.text, _packed(word.polygon)] for word in line.words]]
            for line in page.lines
        ],
        "blocks": [[list(row) for row in block.rows] for block in page.blocks],
    }  # fmt: skip


def page_from(fields: dict[str, Any]) -> PageText:
    """The page that ``fields_of`` wrote down."""
    width_px, height_px = fields["size"]
    lines = tuple(
        Line(
            text,
            confidence,
            _unpacked(polygon),
            recogniser,
            tuple(Word(each, _unpacked(corners)) for each, corners in words),
        )
        for text, confidence, polygon, recogniser, words in fields["lines"]
    )
    blocks = tuple(Block(tuple(tuple(row) for row in rows)) for rows in fields["blocks"])
    return PageText(width_px, height_px, lines, blocks)


def _packed(polygon: FloatArray) -> bytes:
    return polygon.astype("<f4").tobytes()


def _unpacked(corners: bytes) -> FloatArray:
    return np.frombuffer(corners, "<f4").reshape(4, 2).astype(np.float32)


def _seen(pixels: ImageArray) -> str:
    total = hashlib.sha256(f"{pixels.shape}".encode())
    total.update(np.ascontiguousarray(pixels).data)
    return total.hexdigest()
