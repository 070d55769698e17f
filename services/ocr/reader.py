"""Read one page: find its lines, cut them out, recognise each, and put them in reading order."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.ocr.choice import Candidate, best_candidate
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
from services.ocr.words import Word, split_words
from shared.context import RequestContext, entered, request_context
from shared.host import EngineHost

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
        polygons = await self._find(page, options)
        slots = asyncio.Semaphore(CROPS_IN_FLIGHT)
        candidates: list[list[Candidate]] = []
        with _recognition_timed() as apart, entered(apart):
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._read_line(page, polygon, options, slots))
                    for polygon in polygons
                ]
            candidates = [task.result() for task in tasks]
        with request_context().measure("postprocess"):
            return await asyncio.to_thread(_assemble, page, candidates, options)

    async def _find(self, page: ImageArray, options: ReadOptions) -> list[FloatArray]:
        with request_context().measure("preprocess"):
            picture = await asyncio.to_thread(search_picture, page, options.search)
        height, width = picture.shape[:2]
        weight = float(width * height)
        found: FoundText = await self._detector.run(picture, key=(width, height), weight=weight)
        return list(to_page(found.polygons, picture, page))

    async def _read_line(
        self,
        page: ImageArray,
        polygon: FloatArray,
        options: ReadOptions,
        slots: asyncio.Semaphore,
    ) -> list[Candidate]:
        candidates = []
        async with slots:
            for turned in orientations(polygon):
                crop = await asyncio.to_thread(cut, page, turned)
                width_px = bucket_width_px(crop)
                for name in options.choice.recognisers:
                    reading: Reading = await self._recogniser.run(
                        crop, key=(name, width_px), weight=float(width_px)
                    )
                    candidates.append(Candidate(name, turned, reading))
        return candidates


def _assemble(
    page: ImageArray, candidates: Sequence[Sequence[Candidate]], options: ReadOptions
) -> PageText:
    best = [best_candidate(each, options.choice.languages) for each in candidates]
    kept = [
        each for each in best
        if each.reading.text.strip() and each.reading.confidence >= options.min_confidence
    ]  # fmt: skip
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


class _recognition_timed:  # noqa: N801 - a context manager used like a function
    """Give the crops of a page a context of their own, and book the elapsed time once at the end.

    Many crops wait and run at the same time: the sums of their times would exceed the request's.
    """

    def __enter__(self) -> RequestContext:
        self._outer = request_context()
        self._started = asyncio.get_running_loop().time()
        self._apart = RequestContext(self._outer.request_id, self._outer.deadline)
        return self._apart

    def __exit__(self, *_: object) -> None:
        elapsed_ms = (asyncio.get_running_loop().time() - self._started) * 1000
        inference_ms = min(elapsed_ms, self._apart.timings_ms.get("inference", 0.0))
        self._outer.add_ms("inference", inference_ms)
        self._outer.add_ms("queue", elapsed_ms - inference_ms)
        self._outer.device = self._apart.device or self._outer.device
