"""The speech endpoints, in the form of OpenAI's API."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel

from services.whisper import answers, streaming, subtitles
from services.whisper.recall import Prepared, Recall
from services.whisper.schemas import TranscriptionOptions, TranslationOptions, VerboseAnswer
from services.whisper.settings import WhisperSettings
from services.whisper.tasks import Task
from services.whisper.transcriber import ModelLimits, SpeechRequest
from services.whisper.transcript import Transcript
from shared.context import request_context
from shared.engine import EngineInfo
from shared.errors import BadRequest, FieldFault, InvalidInput, NotFound
from shared.host import EngineHost
from shared.uploads import parse_options, read_upload

TRANSCRIPTIONS = "/v1/audio/transcriptions"
TRANSLATIONS = "/v1/audio/translations"
DEFAULT_NAMES = ("", "auto", "whisper-1")

router = APIRouter(tags=["speech"])


@dataclass(frozen=True)
class Work:
    """A checked request."""

    prepared: Prepared
    options: TranscriptionOptions
    info: EngineInfo


def _described(options: type[BaseModel]) -> dict[str, Any]:
    """OpenAPI's account of a body that the route reads by itself."""
    schema = options.model_json_schema()
    schema["properties"] = {
        "file": {"type": "string", "format": "binary", "description": "The recording."},
        **schema["properties"],
    }
    schema["required"] = ["file"]
    return {"requestBody": {"content": {"multipart/form-data": {"schema": schema}}}}


@router.post(
    TRANSCRIPTIONS,
    response_model=VerboseAnswer,
    response_model_exclude_none=True,
    openapi_extra=_described(TranscriptionOptions),
)
async def transcribe(request: Request) -> Response:
    """Write down what is said in a recording, in the language it is said in."""
    return await _answer(request, "transcribe")


@router.post(
    TRANSLATIONS,
    response_model=VerboseAnswer,
    response_model_exclude_none=True,
    openapi_extra=_described(TranslationOptions),
)
async def translate(request: Request) -> Response:
    """Write down in English what is said in a recording."""
    return await _answer(request, "translate")


async def _answer(request: Request, task: Task) -> Response:
    recall: Recall = request.app.state.recall
    async with AsyncExitStack() as stack:
        work = await _accept(request, task, stack)
        if work.options.stream:
            _name_model(work.info)
            return streaming.stream(recall, work, stack.pop_all())
        transcript = await recall.transcribe(work.prepared)
        _name_model(work.info)
        with request_context().measure("postprocess"):
            return respond(transcript, work.options, task)


async def _accept(request: Request, task: Task, stack: AsyncExitStack) -> Work:
    """Read, check and decode a request; its files live as long as ``stack``."""
    settings: WhisperSettings = request.app.state.settings
    host: EngineHost = request.app.state.recogniser
    info = await host.loaded_info()
    upload = await stack.enter_async_context(read_upload(request, spool_dir=settings.spool_dir))
    options = _options(task, parse_options(_OPTIONS[task], upload))
    _check(options, task, info)
    wanted = speech_request(options, task, settings)
    facts = dict(info.details)
    limits = ModelLimits(
        facts["window_s"],
        facts["n_mels"],
        settings.max_new_tokens,
        settings.max_attempts,
        f"{info.model} {info.compute_type} {facts['digest']}",
    )
    recall: Recall = request.app.state.recall
    prepared = recall.prepared(upload.one_file(), wanted, limits)
    return Work(await stack.enter_async_context(prepared), options, info)


_OPTIONS: dict[Task, type[TranslationOptions]] = {
    "transcribe": TranscriptionOptions,
    "translate": TranslationOptions,
}


def _options(task: Task, given: TranslationOptions) -> TranscriptionOptions:
    """A translation has a part of a transcription's options."""
    if isinstance(given, TranscriptionOptions):
        return given
    return TranscriptionOptions(**given.model_dump())


def _check(options: TranscriptionOptions, task: Task, info: EngineInfo) -> None:
    """Refuse what the loaded model or this version cannot do."""
    facts = dict(info.details)
    if options.model not in (*DEFAULT_NAMES, info.model):
        text = f"the model {options.model!r} is not loaded here; use {info.model!r} or whisper-1"
        raise NotFound(text, faults=[FieldFault("model", text)])
    if options.diarize or options.response_format == "diarized_json":
        field = "diarize" if options.diarize else "response_format"
        text = "telling speakers apart is not supported yet; leave it out"
        raise BadRequest(text, faults=[FieldFault(field, text)])
    if task == "translate" and not facts["can_translate"]:
        text = f"the model {info.model} cannot translate; use a multilingual model without turbo"
        raise BadRequest(text, faults=[FieldFault("model", text)])
    for field, codes in (("language", [options.language]), ("languages", options.languages)):
        unknown = [code for code in codes if code and code not in facts["languages"]]
        if unknown:
            known = ", ".join(facts["languages"])
            text = f"the model {info.model} does not know {', '.join(unknown)}; it knows {known}"
            raise InvalidInput(text, faults=[FieldFault(field, text)])


def speech_request(
    options: TranscriptionOptions, task: Task, settings: WhisperSettings
) -> SpeechRequest:
    """The domain's view of a request's options."""
    return SpeechRequest(
        task=task,
        language=options.language,
        languages=tuple(options.languages),
        prompt=options.prompt,
        hotwords=" ".join([options.hotwords, *options.keywords]).strip(),
        temperature=options.temperature,
        beam_size=options.beam_size or settings.beam_size,
        has_words=options.wants_words or bool(options.include),
        uses_vad=options.vad,
    )


def _name_model(info: EngineInfo) -> None:
    """Answer with the model's name even where no window reached it."""
    context = request_context()
    context.model, context.device = info.model, info.device


def respond(transcript: Transcript, options: TranscriptionOptions, task: Task) -> Response:
    """The body in the form that was asked for."""
    if options.response_format == "text":
        return PlainTextResponse(transcript.text + "\n")
    if options.response_format == "srt":
        return Response(subtitles.srt(transcript.segments), media_type="application/x-subrip")
    if options.response_format == "vtt":
        return Response(subtitles.vtt(transcript.segments), media_type="text/vtt")
    answer: BaseModel = answers.json_answer(transcript, has_logprobs=bool(options.include))
    body = answer.model_dump(exclude_none=True)
    if options.response_format == "verbose_json":
        answer = answers.verbose_answer(
            transcript,
            task=task,
            has_segments=options.wants_segments,
            has_words=options.wants_words,
        )
        body = answer.model_dump(exclude_none=True)
        body["language"] = answer.language  # null, not left out, when nobody speaks
    return JSONResponse(body)
