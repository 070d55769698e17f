"""``POST /v1/detect``: HTTP in, detections or a drawn picture out."""

import asyncio
from dataclasses import dataclass, field
from typing import cast, get_args

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from services.yolo.detection import Decoded, Detector, decode, detect, prepare
from services.yolo.drawing import PictureType, draw
from services.yolo.facts import ModelFacts
from services.yolo.plan import Plan, plan, warnings_of, wishes
from services.yolo.recall import Recall
from services.yolo.schemas import DetectAnswer, DetectOptions, ItemError, PictureResult
from services.yolo.settings import YoloSettings
from shared.accept import preferred_type
from shared.batching import run_parts
from shared.context import request_context
from shared.errors import (
    FieldFault,
    GantryError,
    InvalidInput,
    NotFound,
    PayloadTooLarge,
    Unavailable,
)
from shared.http import header
from shared.openapi import upload_body
from shared.spool import UploadedFile
from shared.uploads import (
    Upload,
    UploadLimits,
    missing_file,
    parse_options,
    read_upload,
)

router = APIRouter()

PREPARED_AT_ONCE = 4
"""Pictures of one request that are held decoded at the same time."""


@router.post(
    "/v1/detect",
    response_model=DetectAnswer,
    responses={200: {"content": {"image/png": {}, "image/jpeg": {}}}},
    openapi_extra=upload_body(DetectOptions, multiple=True),
    summary="Find objects in one or more pictures",
)
async def detect_objects(request: Request) -> Response:
    """Detect in each picture; a bad one fails alone unless it is the only one."""
    detector: Detector = request.app.state.detector
    settings: YoloSettings = request.app.state.settings
    info = await detector.host.loaded_info()
    limits = UploadLimits(max_files=settings.max_images)
    async with read_upload(request, spool_dir=settings.spool_dir, limits=limits) as upload:
        options = parse_options(DetectOptions, upload)
        if options.model not in (None, "auto", info.model):
            text = f"the model {options.model!r} is not loaded here; use {info.model!r} or auto"
            raise NotFound(text, faults=[FieldFault("model", text)])
        facts = ModelFacts.of(info)
        chosen = plan(options, facts, max_image_size=detector.max_image_size)
        picture_type = wanted_picture(header(request.scope, b"accept"))
        _check_count(upload, settings.max_images, single=picture_type is not None)
        recall = Recall(detector.recall, wishes(chosen, info))
        work = _Work(detector, chosen, recall, len(upload.files))
        if picture_type is not None:
            return await _drawn(work, upload.files[0], picture_type)
        results = await _detect_all(work, upload)
    body = DetectAnswer(
        model=info.model,
        task=facts.task,
        results=results,
        timing_ms=request_context().rounded_timings(),
        warnings=warnings_of(options, facts),
    )
    return JSONResponse(body.model_dump(exclude_none=True))


def wanted_picture(accept: str | None) -> PictureType | None:
    """The picture type that the ``Accept`` header prefers to JSON, if any."""
    chosen = preferred_type(accept, ("application/json", *get_args(PictureType)))
    return None if chosen == "application/json" else cast("PictureType", chosen)


def _check_count(upload: Upload, limit: int, *, single: bool) -> None:
    if not upload.files:
        raise missing_file("at least one picture is expected")
    if single and len(upload.files) > 1:
        text = "a drawn picture is answered for exactly one picture; send one, or accept JSON"
        raise InvalidInput(text, faults=[FieldFault("file", text)])
    if len(upload.files) > limit:
        raise PayloadTooLarge(f"more than {limit} pictures in one request")


@dataclass(frozen=True)
class _Work:
    """What the pictures of a request have in common."""

    detector: Detector
    chosen: Plan
    recall: Recall
    pictures: int  # of the request
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PREPARED_AT_ONCE))


async def _detect_all(work: _Work, upload: Upload) -> list[PictureResult]:
    progress = request_context().progress
    progress.stage, progress.total = "detecting", work.pictures

    async def one(index: int) -> PictureResult:
        try:
            return await _result(work, upload.files[index], index)
        except GantryError as error:
            if work.pictures == 1:
                raise
            return _failed(index, error)
        finally:
            progress.done += 1

    return await run_parts(one, range(work.pictures))


async def _result(
    work: _Work, file: UploadedFile, index: int, decoded: Decoded | None = None
) -> PictureResult:
    """The answer to one picture, which may have been decoded already."""
    known = await work.recall.find(file, index)
    if known is not None:
        return known
    async with work.turns:
        decoded = decoded or await decode(work.detector, file)
        canvas = await prepare(work.detector, decoded, work.chosen)
        del decoded  # the pixels of a large picture are not held while it waits
    return await work.recall.detect(
        file,
        canvas,
        index,
        lambda: detect(work.detector, canvas, work.chosen, index, pictures=work.pictures),
    )


def _failed(index: int, error: GantryError) -> PictureResult:
    """The item error for a picture's own fault; a fault of the service fails the request."""
    if isinstance(error, Unavailable) or error.status == 504:
        raise error
    return PictureResult(index=index, error=ItemError(code=error.code, message=error.detail))


async def _drawn(work: _Work, file: UploadedFile, content_type: PictureType) -> Response:
    decoded = await decode(work.detector, file)
    result = await _result(work, file, 0, decoded)
    with request_context().measure("postprocess"):
        content = await asyncio.to_thread(
            draw, decoded.pixels, result.detections, result.classes or [], content_type
        )
    return Response(content, media_type=content_type)
