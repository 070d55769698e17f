"""``POST /v1/drawings/analyze``: from the upload to the answer in the form that was asked for."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from services.drawings import answers
from services.drawings.analysis import Analyst, Document, PageResult
from services.drawings.features import questions
from services.drawings.grammar import GeneralTolerance
from services.drawings.interpret import Findings, interpret, parse_general_tolerance
from services.drawings.overlay import draw
from services.drawings.peers import predict_tolerances
from services.drawings.schemas import AnalyzeAnswer, AnalyzeOptions, ToleranceBody
from services.drawings.settings import DrawingsSettings
from services.drawings.stages import Stages
from shared.accept import preferred_type
from shared.context import request_context
from shared.errors import FieldFault, InvalidInput
from shared.gateway_client import Calls, GatewayClient
from shared.http import header
from shared.media.pool import MediaPool
from shared.media.sniff import HEAD_BYTES, sniff
from shared.openapi import upload_body
from shared.page_ranges import parse_pages
from shared.uploads import parse_options, read_upload

ANALYZE_PATH = "/v1/drawings/analyze"
TOLERANCE = "tolerance"
FORMS = ("application/json", "image/png", "text/csv")

router = APIRouter()


@dataclass(frozen=True)
class DrawingsState:
    """What the route needs, as ``build`` made it."""

    settings: DrawingsSettings
    media: MediaPool
    gateway: GatewayClient


@router.post(
    ANALYZE_PATH,
    response_model=AnalyzeAnswer,
    summary="Read the dimensions, tolerances and title block of a drawing",
    responses={200: {"content": {"image/png": {}, "text/csv": {}}}},
    openapi_extra=upload_body(AnalyzeOptions, raw_types=("image/*", "application/pdf")),
)
async def analyze(request: Request) -> Response:
    """Read a drawing; stages that fail are named in the answer, the others still count."""
    state: DrawingsState = request.app.state.drawings
    calls = state.gateway.on_behalf_of(request)
    form = preferred_type(header(request.scope, b"accept"), FORMS)
    async with read_upload(request, spool_dir=state.settings.spool_dir) as upload:
        options = parse_options(AnalyzeOptions, upload)
        asked = _asked_tolerance(options)
        file = upload.one_file()
        document = await _open(state, file.path, options)
        shown = _shown_page(options, document)
        stages = Stages()
        analyst = Analyst(state.settings, state.media, calls)
        results = await analyst.read(document, options, stages)
        if stages.errors and not any(_says_something(each) for each in results):
            raise stages.errors[0].fresh()
        with request_context().measure("postprocess"):
            findings = await asyncio.to_thread(
                interpret, [each.content for each in results], general=asked, unit=options.unit
            )
        ids = answers.assign_ids(findings)
        predictions = await _predict(calls, options, findings, ids, stages, analyst.models)
        found = answers.Analysis(
            document.page_count, results, findings, ids, asked, predictions, analyst.models
        )
        answer = answers.assemble(found, stages)
        request_context().model = "+".join(analyst.models.values()) or None
        if form == "image/png":
            pixels = await analyst.picture(document, shown)
            marks = answers.marks(answer, shown)
            return Response(await asyncio.to_thread(draw, pixels, marks), media_type="image/png")
    if form == "text/csv":
        text = answers.table(answer.dimensions, answer.feature_control_frames)
        return Response(text, media_type="text/csv")
    return JSONResponse(answer.model_dump())


def _asked_tolerance(options: AnalyzeOptions) -> GeneralTolerance | None:
    if options.general_tolerance is None:
        return None
    asked = parse_general_tolerance(options.general_tolerance)
    if asked is None:
        raise _wrong("general_tolerance", "expected a class of ISO 2768, such as ISO 2768-mK")
    return asked


async def _open(state: DrawingsState, path: Path, options: AnalyzeOptions) -> Document:
    head = await asyncio.to_thread(_head, path)
    if sniff(head) != "pdf":
        # Whether it is a picture at all is told by the decoder, with the reason.
        return Document(path, 1, parse_pages(options.pages, 1, 1), None)
    with request_context().measure("preprocess"):
        count = await state.media.count_pages(path)
    pages = parse_pages(options.pages, count, state.settings.max_pages)
    return Document(path, count, pages, options.dpi)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _shown_page(options: AnalyzeOptions, document: Document) -> int:
    shown = options.page or document.pages[0]
    if shown not in document.pages:
        raise _wrong("page", f"page {shown} is not among the pages that are analysed")
    return shown


def _says_something(result: PageResult) -> bool:
    return bool(result.content.lines or result.content.frames or result.detections)


async def _predict(
    calls: Calls,
    options: AnalyzeOptions,
    findings: Findings,
    ids: Mapping[int, str],
    stages: Stages,
    models: dict[str, str],
) -> list[ToleranceBody]:
    """Ask what the process holds, if material and process were given."""
    if options.material is None or options.process is None:
        stages.skip(TOLERANCE, "needs material and process; they are never guessed")
        return []
    asked = questions(findings, ids, options.material, options.process)
    if not asked:
        stages.skip(TOLERANCE, "the drawing names no feature that can be predicted")
        return []
    work = predict_tolerances(calls, [each.part for each in asked], reserve_s=stages.reserve_s / 2)
    answered = await stages.run(TOLERANCE, work)
    if answered is None:
        return []
    results, models["tolerance"] = answered
    by_id = {each.feature_id: each for each in asked}
    return [
        ToleranceBody(
            feature_id=str(result["id"]),
            feature=str(by_id[str(result["id"])].part["feature"]),
            size_from=by_id[str(result["id"])].size_from,
            result=result,
        )
        for result in results
        if str(result.get("id")) in by_id
    ]


def _wrong(name: str, text: str) -> InvalidInput:
    return InvalidInput(f"{name}: {text}", faults=[FieldFault(name, text)])
