"""Read one page: find its lines, cut them out, recognise each, and put them in reading order."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from services.ocr.choice import Candidate, best_candidate
from services.ocr.cleaning import Cleaning, CleanPage, clean
from services.ocr.crops import (
    SearchSize,
    angle_deg,
    bucket_width_px,
    cut,
    orientations,
    search_picture,
    to_page,
)
from services.ocr.languages import LanguageChoice
from services.ocr.reading_order import Block, reading_order
from services.ocr.readings import FloatArray, FoundText, ImageArray, Reading
from services.ocr.tiles import Tile, join_tiles, make_tiles
from services.ocr.turning import believed, is_upside_down, lines_to_try, turn
from services.ocr.words import Word, split_words
from shared.batching import run_parts
from shared.context import RequestContext, entered, request_context
from shared.host import EngineHost

TILES_IN_FLIGHT = 4
CROPS_IN_FLIGHT = 32
"""Lines of one page that are read at a time, so that one page does not fill the queue."""


@dataclass(frozen=True)
class Line:
    """One line of text."""

    text: str
    confidence: float  # 0 to 1
    polygon: FloatArray  # (4, 2), in pixels of the page, clockwise from the text's own top left
    recogniser: str  # name of the model that read it
    words: tuple[Word, ...] = ()

    @property
    def angle_deg(self) -> float:
        """Direction of the text, clockwise from the x axis, in (-180, 180]."""
        return angle_deg(self.polygon)


@dataclass(frozen=True)
class PageText:
    """Text of one page, its lines in reading order."""

    width_px: int
    height_px: int
    lines: tuple[Line, ...]
    blocks: tuple[Block, ...]  # rows of indices into ``lines``


@dataclass(frozen=True)
class ReadOptions:
    """How to read a page."""

    choice: LanguageChoice
    min_confidence: float = 0.5
    has_words: bool = False
    cleaning: Cleaning = field(default_factory=Cleaning)
    tile_px: int = 0  # longest side of a tile; 0 searches the page as a whole
    tile_overlap_px: int = 128
    search: SearchSize = field(default_factory=SearchSize)


class PageReader:
    """Reads pages with a detector and recognisers."""

    def __init__(self, detector: EngineHost, recogniser: EngineHost) -> None:
        """Read through these two engines."""
        self._detector = detector
        self._recogniser = recogniser

    async def read(self, page: ImageArray, options: ReadOptions) -> PageText:
        """Read one page.

        Args:
            page: (height, width, 3) RGB, upright.
            options: how.

        Raises:
            GantryError: an engine refused or failed.
        """
        with request_context().measure("preprocess"):
            cleaned = await asyncio.to_thread(clean, page, options.cleaning)
        pixels = cleaned.pixels
        polygons = await self._find(pixels, options)
        with _booked_once():
            read = await self._read_lines(
                pixels, [orientations(each) for each in polygons], options
            )
            read = await self._turned(pixels, read, options)
        with request_context().measure("postprocess"):
            kept = await asyncio.to_thread(_kept, read, cleaned, options)
            return await asyncio.to_thread(_arrange, page, kept, options)

    async def _find(self, page: ImageArray, options: ReadOptions) -> list[FloatArray]:
        height, width = page.shape[:2]
        tiles = make_tiles(width, height, options.tile_px, options.tile_overlap_px)
        with _booked_once():
            found = await run_parts(
                lambda tile: self._find_in(page, tile, options.search),
                tiles,
                at_once=TILES_IN_FLIGHT,
            )
        return await asyncio.to_thread(join_tiles, found)

    async def _find_in(self, page: ImageArray, tile: Tile, size: SearchSize) -> FloatArray:
        """Polygons (n, 4, 2) of the text in a tile, in pixels of the page."""
        part = page[tile.top : tile.bottom, tile.left : tile.right]
        picture = await asyncio.to_thread(search_picture, part, size)
        height, width = picture.shape[:2]
        found: FoundText = await self._detector.run(
            picture, key=(width, height), weight=float(width * height)
        )
        corners = to_page(found.polygons, picture, part)
        return corners + np.array([tile.left, tile.top], np.float32)

    async def _turned(
        self, page: ImageArray, read: list[Candidate], options: ReadOptions
    ) -> list[Candidate]:
        """The readings, with those of lines that stand on their head."""
        languages = options.choice.languages
        tried = lines_to_try(read, languages)
        turned = await self._read_turned(page, read, tried, options)
        on_its_head = is_upside_down(read, turned, languages)
        if on_its_head:
            rest = [n for n in range(len(read)) if n not in turned]
            turned |= await self._read_turned(page, read, rest, options)
        return [
            believed(each, turned[n], languages, on_its_head=on_its_head) if n in turned else each
            for n, each in enumerate(read)
        ]

    async def _read_turned(
        self, page: ImageArray, read: list[Candidate], lines: list[int], options: ReadOptions
    ) -> dict[int, Candidate]:
        ways = [[turn(read[n].polygon)] for n in lines]
        return dict(zip(lines, await self._read_lines(page, ways, options), strict=True))

    async def _read_lines(
        self, page: ImageArray, lines: Sequence[Sequence[FloatArray]], options: ReadOptions
    ) -> list[Candidate]:
        """The best reading of each line.

        Args:
            page: (height, width, 3).
            lines: for each line the ways in which its text may stand.
            options: how.
        """
        candidates = await run_parts(
            lambda ways: self._read_line(page, ways, options), lines, at_once=CROPS_IN_FLIGHT
        )
        return [best_candidate(each, options.choice.languages) for each in candidates]

    async def _read_line(
        self, page: ImageArray, ways: Sequence[FloatArray], options: ReadOptions
    ) -> list[Candidate]:
        candidates = []
        for polygon in ways:
            crop = await asyncio.to_thread(cut, page, polygon)
            width_px = bucket_width_px(crop)
            for name in options.choice.recognisers:
                reading: Reading = await self._recogniser.run(
                    crop, key=(name, width_px), weight=float(width_px)
                )
                candidates.append(Candidate(name, polygon, reading))
        return candidates


def _kept(read: Sequence[Candidate], cleaned: CleanPage, options: ReadOptions) -> list[Candidate]:
    """The lines that are sure enough, in pixels of the page that came."""
    kept = [
        each for each in read
        if each.reading.text.strip() and each.reading.confidence >= options.min_confidence
    ]  # fmt: skip
    places = cleaned.restore([each.polygon for each in kept])
    return [replace(each, polygon=place) for each, place in zip(kept, places, strict=True)]


def _arrange(page: ImageArray, kept: Sequence[Candidate], options: ReadOptions) -> PageText:
    blocks = reading_order([each.polygon for each in kept])
    order = [index for block in blocks for row in block.rows for index in row]
    place = {index: position for position, index in enumerate(order)}
    return PageText(
        width_px=page.shape[1],
        height_px=page.shape[0],
        lines=tuple(_line(kept[index], has_words=options.has_words) for index in order),
        blocks=tuple(
            Block(tuple(tuple(place[index] for index in row) for row in block.rows))
            for block in blocks
        ),
    )


def _line(candidate: Candidate, *, has_words: bool) -> Line:
    reading, polygon = candidate.reading, candidate.polygon
    words = tuple(split_words(reading, polygon)) if has_words else ()
    text = " ".join(reading.text.split())
    return Line(text, reading.confidence, polygon, candidate.recogniser, words)


@contextmanager
def _booked_once() -> Iterator[None]:
    """Give the parts of a page a context of their own, and book the elapsed time once at the end.

    Many tiles or crops wait and run at the same time: the sums of their times would exceed the
    request's.
    """
    context, started = request_context(), time.perf_counter()
    apart = RequestContext(context.request_id, context.deadline)
    try:
        with entered(apart):
            yield
    finally:
        elapsed_ms = (time.perf_counter() - started) * 1000
        inference_ms = min(elapsed_ms, apart.timings_ms.get("inference", 0.0))
        context.add_ms("inference", inference_ms)
        context.add_ms("queue", elapsed_ms - inference_ms)
        context.device = apart.device or context.device
