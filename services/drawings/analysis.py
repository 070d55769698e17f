"""Analyse a document page by page: what is text, what the pictures show, and what it says."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from services.drawings.content import PageContent
from services.drawings.peers import Detected, Symbols, find_symbols
from services.drawings.raster_reader import OCR, OcrOptions, PictureReader, encode
from services.drawings.schemas import AnalyzeOptions
from services.drawings.settings import DrawingsSettings
from services.drawings.stages import Stages
from services.drawings.vector_page import read_page
from services.drawings.vectors import to_page
from shared.context import request_context
from shared.gateway_client import Calls
from shared.media.limits import ImageLimits, PageVectors, PdfLimits, VectorLimits
from shared.media.pool import MediaPool

TEXT, SYMBOLS = "text", "symbols"
TextSource = Literal["text", "ocr", "none"]
SURE_TABLE = 0.6  # confidence of a detected table that is believed
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Document:
    """An upload, known to be a picture or a PDF."""

    path: Path
    page_count: int
    pages: Sequence[int]  # those asked for, from 1
    dpi: int | None  # None for a picture


@dataclass(frozen=True)
class PageResult:
    """One page: its texts and boxes, and what the detector found."""

    content: PageContent
    text_source: TextSource
    detections: tuple[Detected, ...] = ()


class Analyst:
    """Reads pages with the help of the other services."""

    def __init__(self, settings: DrawingsSettings, media: MediaPool, calls: Calls) -> None:
        """Work for one request."""
        self._settings = settings
        self._media = media
        self._calls = calls
        self.models: dict[str, str] = {}

    async def read(
        self, document: Document, options: AnalyzeOptions, stages: Stages
    ) -> list[PageResult]:
        """Read all pages that were asked for, one after the other.

        Raises:
            GantryError: the document itself cannot be read.
        """
        progress = request_context().progress
        progress.stage, progress.total = "pages", len(document.pages)
        results = []
        for number in document.pages:
            results.append(await self._read_page(document, number, options, stages))
            progress.done += 1
        return results

    async def picture(self, document: Document, page: int) -> Pixels:
        """Pixels of a page.

        Raises:
            GantryError: it cannot be decoded or is too large.
        """
        most = self._settings.max_pixels
        if document.dpi is None:
            picture = await self._media.decode_image(document.path, ImageLimits(max_pixels=most))
        else:
            limits = PdfLimits(max_pixels=most)
            picture = await self._media.render_page(document.path, page, document.dpi, limits)
        return picture.pixels

    async def _read_page(
        self, document: Document, number: int, options: AnalyzeOptions, stages: Stages
    ) -> PageResult:
        content = None
        if document.dpi is not None:
            content = await stages.run(TEXT, self._read_text_layer(document, number, document.dpi))
        else:
            stages.skip(TEXT, "a picture has no text layer")
        has_text = content is not None and bool(content.lines or content.frames)
        wants_ocr = options.ocr == "always" or (options.ocr == "auto" and not has_text)
        if not wants_ocr:
            stages.skip(OCR, "not asked for" if options.ocr == "never" else "the page has its text")
        if not options.symbols:
            stages.skip(SYMBOLS, "not asked for")
        may_read = wants_ocr and stages.may_run(OCR)
        may_detect = options.symbols and stages.may_run(SYMBOLS)
        if document.dpi is not None and has_text and not (may_read or may_detect):
            assert content is not None
            return PageResult(content, "text")
        with request_context().measure("preprocess"):
            pixels = await self.picture(document, number)
        read, symbols = await asyncio.gather(
            self._read_picture(document, number, pixels, options, stages)
            if may_read else _nothing(),
            self._detect(document, pixels, stages) if may_detect else _nothing(),
        )  # fmt: skip
        detections = symbols.found if symbols else ()
        if read is not None:
            content = read
        elif content is None or not has_text:
            height, width = pixels.shape[:2]
            content = PageContent(number, width, height, document.dpi, ())
        source: TextSource = "ocr" if read is not None else "text" if has_text else "none"
        return PageResult(_with_title_blocks(content, detections), source, detections)

    async def _read_text_layer(self, document: Document, number: int, dpi: int) -> PageContent:
        with request_context().measure("preprocess"):
            vectors = await self._media.read_vectors(document.path, number, VectorLimits())
            return await asyncio.to_thread(_content_of, vectors, number, dpi)

    async def _read_picture(
        self,
        document: Document,
        number: int,
        pixels: Pixels,
        options: AnalyzeOptions,
        stages: Stages,
    ) -> PageContent | None:
        asked = OcrOptions(options.languages, self._settings.tile_size, self._settings.max_pixels)
        reader = PictureReader(self._calls, asked, stages)
        content = await reader.read(pixels, number, document.dpi)
        if reader.model is not None:
            self.models["ocr"] = reader.model
        return content

    async def _detect(self, document: Document, pixels: Pixels, stages: Stages) -> Symbols | None:
        if document.dpi is None:
            picture = await asyncio.to_thread(document.path.read_bytes)
        else:
            picture = await asyncio.to_thread(encode, pixels)
        height, width = pixels.shape[:2]
        work = find_symbols(self._calls, picture, (width, height), reserve_s=stages.reserve_s)
        found = await stages.run(SYMBOLS, work)
        if found is not None:
            self.models["symbols"] = found.model
        return found


async def _nothing() -> None:
    return None


def _content_of(vectors: PageVectors, number: int, dpi: int) -> PageContent:
    return read_page(to_page(vectors, dpi), number, dpi)


def _with_title_blocks(content: PageContent, detections: Sequence[Detected]) -> PageContent:
    """The content with the detector's tables, where none was found from lines.

    What stands in a table is no dimension: a doubtful detection must not swallow any.
    """
    found = [
        each.box
        for each in detections
        if each.class_name in ("title_block", "table") and each.confidence >= SURE_TABLE
    ]
    return content if content.tables else replace(content, tables=tuple(found))
