"""Server-sent events of a transcription: the text as it grows, then the whole.

Events are those of OpenAI's API: ``transcript.text.delta`` for each window, with
``transcript.text.segment`` where segments are wanted, and ``transcript.text.done`` with the full
text, usage and timings. A fault after the first byte becomes an ``error`` event.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from fastapi.responses import StreamingResponse

from services.whisper import answers
from services.whisper.transcript import Transcript, WindowTranscript
from shared.context import request_context
from shared.errors import GantryError, problem

if TYPE_CHECKING:
    from services.whisper.recall import Recall
    from services.whisper.routes import Work

KEEP_ALIVE_S = 10.0
"""A comment is sent after this long without an event, so that proxies keep the connection."""


def stream(recall: "Recall", work: "Work", files: AsyncExitStack) -> StreamingResponse:
    """Answer ``work`` with events; ``files`` is closed when the stream ends."""
    return StreamingResponse(
        _events(recall, work, files),
        media_type="text/event-stream",
        headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
    )


async def _events(recall: "Recall", work: "Work", files: AsyncExitStack) -> AsyncIterator[str]:
    queue: asyncio.Queue[WindowTranscript | None] = asyncio.Queue()

    async def run() -> Transcript:
        try:
            return await recall.transcribe(work.prepared, deliver=queue.put)
        finally:
            queue.put_nowait(None)

    async with files:
        running = asyncio.ensure_future(run())
        try:
            sent = Transcript()
            async for part in _parts(queue):
                if part is None:
                    yield ": still listening\n\n"
                    continue
                for event in _window_events(sent, part, work):
                    yield _line(event)
            yield _line(_done_event(await running, work))
        except GantryError as error:
            yield _line(_error_event(error))
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def _parts(
    queue: "asyncio.Queue[WindowTranscript | None]",
) -> AsyncIterator[WindowTranscript | None]:
    """Windows as they come; None for each pause that wants a sign of life."""
    while True:
        try:
            part = await asyncio.wait_for(queue.get(), KEEP_ALIVE_S)
        except TimeoutError:
            yield None
            continue
        if part is None:
            return
        yield part


def _window_events(sent: Transcript, part: WindowTranscript, work: "Work") -> list[dict[str, Any]]:
    before, number = sent.text, len(sent.segments)
    sent.parts.append(part)
    delta = sent.text[len(before) :]
    if not delta:
        return []
    event: dict[str, Any] = {"type": "transcript.text.delta", "delta": delta}
    if work.options.include:
        event["logprobs"] = [answers.logprob(each).model_dump() for each in part.scores]
    if work.options.response_format != "verbose_json":
        return [event]
    segments = [
        {
            "type": "transcript.text.segment",
            "id": str(number + offset),
            "start": each.start_s,
            "end": each.end_s,
            "text": each.text,
            "speaker": None,
        }
        for offset, each in enumerate(part.segments)
    ]
    return [event, *segments]


def _done_event(transcript: Transcript, work: "Work") -> dict[str, Any]:
    event: dict[str, Any] = {
        "type": "transcript.text.done",
        "text": transcript.text,
        "usage": answers.usage(transcript).model_dump(),
        "timing_ms": request_context().rounded_timings(),
    }
    if work.options.include:
        event["logprobs"] = [answers.logprob(each).model_dump() for each in transcript.scores]
    return event


def _error_event(error: GantryError) -> dict[str, Any]:
    body = problem(error, request_id=request_context().request_id, instance="")
    return {"type": "error", "error": body["error"]}


def _line(event: dict[str, Any]) -> str:
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n"
