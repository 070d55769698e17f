"""``POST /v1/ocr``: from the upload to the answer in the form that was asked for."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse

from services.ocr.answers import ReadPage, hocr, json_page, markdown, plain_text
from services.ocr.cleaning import Cleaning
from services.ocr.languages import LanguageChoice, Recogniser, choose_recognisers
from services.ocr.reader import PageReader, ReadOptions
from services.ocr.readings import ImageArray
from services.ocr.recall import Recall, wishes
from services.ocr.schemas import OcrAnswer, OcrOptions
from services.ocr.settings import OcrSettings
from shared.context import request_context
from shared.engine import EngineInfo
from shared.host import EngineHost
from shared.media.limits import ImageLimits, PdfLimits
from shared.media.pool import MediaPool
from shared.media.sniff import HEAD_BYTES, sniff
from shared.openapi import upload_body
from shared.page_ranges import parse_pages
from shared.recall import TwoStepCache
from shared.spool import UploadedFile
from shared.uploads import parse_options, read_upload

router = APIRouter()


@dataclass(frozen=True)
class OcrState:
    """What the route needs, as ``build`` made it."""

    settings: OcrSettings
    reader: PageReader
    detector: EngineHost
    recogniser: EngineHost
    media: MediaPool
    offered: dict[str, str]  # language → model of the catalogue
    cache: TwoStepCache


@dataclass(frozen=True)
class _Document:
    """An upload, known to be a picture or a PDF."""

    file: UploadedFile
    page_count: int
    pages: Sequence[int]  # those asked for, from 1
    dpi: int | None  # None for a picture


@router.post(
    "/v1/ocr",
    response_model=OcrAnswer,
    summary="Read the text of a picture or PDF",
    openapi_extra=upload_body(OcrOptions, raw_types=("image/*", "application/pdf")),
)
async def read_text(request: Request) -> Response:
    """Give the text of a picture or of a PDF's pages, line by line with place and confidence."""
    state: OcrState = request.app.state.ocr
    detector = await state.detector.loaded_info()
    recognisers = await state.recogniser.loaded_info()
    loaded = loaded_recognisers(recognisers)
    async with read_upload(request, spool_dir=state.settings.spool_dir) as upload:
        options = parse_options(OcrOptions, upload)
        file = upload.one_file()
        wanted = options.languages or state.settings.languages
        choice = choose_recognisers(wanted, loaded, state.offered)
        document = await _open(state, file, options)
        has_words = options.words or options.response_format == "hocr"
        plan = ReadOptions(
            choice,
            options.min_confidence,
            has_words,
            cleaning=Cleaning(options.clahe, options.blur, options.deskew),
            tile_px=options.tile_size,
            tile_overlap_px=options.tile_overlap,
        )
        recall = Recall(state.cache, wishes(plan, detector, recognisers))
        pages = [each async for each in _read_pages(state, document, plan, recall)]
    context = request_context()
    context.model = _models(pages, choice)
    return _answer(options, document, pages, choice)


def loaded_recognisers(info: EngineInfo) -> list[Recogniser]:
    """The recognisers that an engine says it has loaded."""
    listed = dict(info.details)["recognisers"]
    return [Recogniser(r["name"], frozenset(r["languages"]), r["demo"]) for r in listed]


async def _open(state: OcrState, file: UploadedFile, options: OcrOptions) -> _Document:
    kind = sniff(await asyncio.to_thread(_head, file.path))
    if kind != "pdf":
        # Whether it is a picture at all is told by the decoder, with the reason.
        return _Document(file, 1, parse_pages(options.pages, 1, 1), None)
    with request_context().measure("preprocess"):
        count = await state.media.count_pages(file.path)
    pages = parse_pages(options.pages, count, state.settings.max_pages)
    return _Document(file, count, pages, options.dpi)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


async def _read_pages(
    state: OcrState, document: _Document, plan: ReadOptions, recall: Recall
) -> AsyncIterator[ReadPage]:
    progress = request_context().progress
    progress.stage, progress.total = "reading", len(document.pages)
    for page in document.pages:
        text = await recall.read(
            document.file,
            (page, document.dpi),
            partial(_pixels, state, document, page),
            lambda pixels: state.reader.read(pixels, plan),
        )
        progress.done += 1
        yield ReadPage(page, document.dpi, text)


async def _pixels(state: OcrState, document: _Document, page: int) -> ImageArray:
    path, most = document.file.path, state.settings.max_pixels
    with request_context().measure("preprocess"):
        if document.dpi is None:
            picture = await state.media.decode_image(path, ImageLimits(max_pixels=most))
        else:
            limits = PdfLimits(max_pages=state.settings.max_pages, max_pixels=most)
            picture = await state.media.render_page(path, page, document.dpi, limits)
    return picture.pixels


def _models(pages: Sequence[ReadPage], choice: LanguageChoice) -> str:
    """Names of the recognisers that read the lines; those asked for where there are none."""
    used = {line.recogniser for each in pages for line in each.text.lines}
    return "+".join(name for name in choice.recognisers if name in used or not used)


def _answer(
    options: OcrOptions, document: _Document, pages: Sequence[ReadPage], choice: LanguageChoice
) -> Response:
    context = request_context()
    if options.response_format == "text":
        return PlainTextResponse("\n\f".join(plain_text(each.text) for each in pages) + "\n")
    if options.response_format == "markdown":
        return PlainTextResponse(markdown(pages), media_type="text/markdown")
    if options.response_format == "hocr":
        return HTMLResponse(hocr(pages, system=context.model or ""))
    answer = OcrAnswer(
        model=context.model or "",
        page_count=document.page_count,
        pages=[json_page(each, has_words=options.words) for each in pages],
        timing_ms=context.rounded_timings(),
        warnings=list(choice.warnings),
    )
    unused = None if options.words else {"pages": {"__all__": {"lines": {"__all__": {"words"}}}}}
    return JSONResponse(answer.model_dump(exclude=unused))
