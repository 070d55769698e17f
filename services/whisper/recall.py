"""Answers to recordings that were transcribed before, and resuming those that were interrupted.

A request is looked up twice: by the bytes that were sent, before anything is decoded, and by the
decoded samples, so that the same recording in another container is a hit too. The form of the
answer is not part of the key; the caller is, so that nobody learns what another one has sent.

A long recording is transcribed while it is decoded, so its samples are known as a whole only when
much of it has its text. Its windows are therefore remembered one by one, by their own samples: a
request that is sent again after a crash goes on where it was.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import asdict, astuple, dataclass
from typing import Any

from services.whisper.incoming import IncomingAudio
from services.whisper.quality import Quality
from services.whisper.tasks import (
    FloatArray,
    SpokenSegment,
    SpokenWord,
    TokenScore,
    WindowResult,
)
from services.whisper.transcriber import (
    PIECE_SAMPLES,
    Deliver,
    ModelLimits,
    Recognised,
    SpeechRequest,
    Transcriber,
)
from services.whisper.transcript import Segment, Transcript, WindowTranscript, Word
from shared.cache import Found, ResultCache, digest
from shared.context import request_context
from shared.errors import DeadlineExceeded
from shared.spool import UploadedFile

FORMAT = 3
"""Changes with what is stored, so that results of an older version are not read."""


@dataclass
class Prepared:
    """A recording that is ready to be transcribed, or has been before."""

    request: SpeechRequest
    limits: ModelLimits
    wanted: list[Any]  # what keys hold beside the content: format, caller, request, model
    audio: IncomingAudio | None = None  # None where the transcript was known by the file alone
    key: str | None = None  # under which the transcript will be remembered
    file_key: str | None = None  # by the bytes that were sent, where ``key`` is another
    known: Transcript | None = None
    is_taken: bool = False  # whoever transcribes it closes the audio, even if its sender has left


class Recall:
    """A transcriber that remembers."""

    def __init__(self, transcriber: Transcriber, cache: ResultCache | None) -> None:
        """Remember in ``cache``; None remembers nothing."""
        self._transcriber, self._cache = transcriber, cache

    @contextlib.asynccontextmanager
    async def prepared(
        self, file: UploadedFile, request: SpeechRequest, limits: ModelLimits
    ) -> AsyncIterator[Prepared]:
        """Look a file up, and begin to decode it if its transcript is not known.

        Raises:
            UnsupportedMedia: it holds no audio that can be read.
            PayloadTooLarge: it is longer, or has more channels, than the limit.
        """
        wanted = [FORMAT, request_context().caller, list(astuple(request)), list(astuple(limits))]
        prepared = Prepared(request, limits, wanted)
        try:
            await self._prepare(prepared, file)
            yield prepared
        finally:
            if prepared.audio is not None and not prepared.is_taken:
                await prepared.audio.close()

    async def _prepare(self, prepared: Prepared, file: UploadedFile) -> None:
        # Sampling at a temperature is asked for because it differs each time.
        if self._cache is None or prepared.request.temperature > 0:
            prepared.audio = await self._transcriber.open(file.path)
            return
        file_key = digest("file", file.sha256, prepared.wanted)
        prepared.known = await self._find(file_key)
        if prepared.known is not None:
            return
        prepared.audio = await self._transcriber.open(file.path)
        if prepared.audio.is_complete:
            prepared.key = await _samples_key(prepared.audio, prepared.wanted)
            await self._cache.put(file_key, prepared.key)
            prepared.known = await self._find(prepared.key)
        else:
            prepared.key, prepared.file_key = digest("stream", file_key), file_key
        if prepared.known is None:
            request_context().cache = "miss"

    async def transcribe(self, prepared: Prepared, deliver: Deliver | None = None) -> Transcript:
        """The transcript, remembered or made now; identical requests in flight are made once.

        Args:
            prepared: from ``prepared``.
            deliver: told each window's transcript in order. A request that wants this runs alone.
        """
        if prepared.known is not None:
            if deliver is not None:
                for part in prepared.known.parts:
                    await deliver(part)
            return prepared.known
        if self._cache is None or prepared.key is None:
            return await self._make(prepared, deliver)
        if deliver is not None:
            transcript = await self._make(prepared, deliver)
            await self._cache.put(prepared.key, asdict(transcript))
            return transcript

        async def make() -> dict[str, Any]:
            return asdict(await self._make(prepared, None))

        try:
            value, where = await self._cache.get_or_run(prepared.key, make)
        except DeadlineExceeded as error:
            if prepared.is_taken or type(error) is not DeadlineExceeded:
                raise
            # It was the time of another request, whose run this one had joined.
            value, where = await self._cache.get_or_run(prepared.key, make)
        if where is not Found.MISS:
            request_context().cache = where.value
        return transcript_from(value)

    async def _make(self, prepared: Prepared, deliver: Deliver | None) -> Transcript:
        assert prepared.audio is not None
        prepared.is_taken = True
        try:
            if prepared.file_key is None:
                return await self._run(prepared, deliver)
            return await self._run_unless_found(prepared, prepared.file_key, deliver)
        finally:
            await prepared.audio.close()

    async def _run(self, prepared: Prepared, deliver: Deliver | None) -> Transcript:
        audio = prepared.audio
        assert audio is not None
        remembers = prepared.key is not None and audio.n_samples > PIECE_SAMPLES
        windows = _Windows(self._cache, prepared.wanted) if remembers and self._cache else None
        return await self._transcriber.transcribe(
            audio, prepared.request, prepared.limits, deliver=deliver, memory=windows
        )

    async def _run_unless_found(
        self, prepared: Prepared, file_key: str, deliver: Deliver | None
    ) -> Transcript:
        """Transcribe, but stop when the whole of it, decoded, turns out to be known."""
        assert self._cache is not None
        assert prepared.key is not None
        delivered = 0

        async def count(part: WindowTranscript) -> None:
            nonlocal delivered
            if deliver is not None:
                await deliver(part)
            delivered += 1

        run = asyncio.ensure_future(self._run(prepared, count))
        search = asyncio.ensure_future(self._search(prepared))
        try:
            await asyncio.wait({run, search}, return_when=asyncio.FIRST_COMPLETED)
            known = search.result()[1] if search.done() else None
            if known is not None and not run.done():
                await _ended(run)
                if deliver is not None:
                    for part in known.parts[delivered:]:
                        await deliver(part)
            else:
                known = await run
                await self._cache.put((await search)[0], prepared.key)
            await self._cache.put(file_key, prepared.key)
            return known
        finally:
            await _ended(run, search)

    async def _search(self, prepared: Prepared) -> tuple[str, Transcript | None]:
        """Key of the whole recording once it is decoded, and its transcript if it is known."""
        assert prepared.audio is not None
        key = await _samples_key(prepared.audio, prepared.wanted)
        return key, await self._find(key)

    async def _find(self, key: str) -> Transcript | None:
        """The transcript under ``key``, or under the key that is stored there."""
        assert self._cache is not None
        stored = await self._cache.get(key)
        if stored is not None and isinstance(stored[0], str):
            stored = await self._cache.get(stored[0])
        if stored is None or not isinstance(stored[0], dict):
            return None
        request_context().cache = stored[1].value
        return transcript_from(stored[0])


class _Windows:
    """Windows of long recordings, remembered by their samples."""

    def __init__(self, cache: ResultCache, wanted: list[Any]) -> None:
        self._cache, self._wanted = cache, wanted

    async def get(self, samples: FloatArray, language: str | None) -> Recognised | None:
        stored = await self._cache.get(await self._key(samples, language))
        return recognised_from(stored[0]) if stored is not None else None

    async def put(self, samples: FloatArray, language: str | None, known: Recognised) -> None:
        await self._cache.put(await self._key(samples, language), asdict(known))

    async def _key(self, samples: FloatArray, language: str | None) -> str:
        content = await asyncio.to_thread(lambda: hashlib.sha256(samples.data).hexdigest())
        return digest("window", content, self._wanted, language)


def transcript_from(fields: dict[str, Any]) -> Transcript:
    """Rebuild what ``asdict`` made of a transcript."""
    parts = [part_from(each) for each in fields["parts"]]
    return Transcript(fields["duration_s"], parts, fields["language"])


def part_from(fields: dict[str, Any]) -> WindowTranscript:
    """Rebuild what ``asdict`` made of a window's transcript."""
    segments = [
        Segment(**{**each, "quality": Quality(**each["quality"])}) for each in fields["segments"]
    ]
    return WindowTranscript(
        **{
            **fields,
            "segments": segments,
            "words": [Word(**each) for each in fields["words"]],
            "scores": [TokenScore(**each) for each in fields["scores"]],
            "quality": Quality(**fields["quality"]),
        }
    )


def recognised_from(fields: dict[str, Any]) -> Recognised:
    """Rebuild what ``asdict`` made of a recognised window."""
    result = WindowResult(
        **{
            **fields["result"],
            "segments": [SpokenSegment(**each) for each in fields["result"]["segments"]],
            "words": [SpokenWord(**each) for each in fields["result"]["words"]],
            "scores": [TokenScore(**each) for each in fields["result"]["scores"]],
        }
    )
    return Recognised(result, fields["attempts"])


async def _samples_key(audio: IncomingAudio, wanted: list[Any]) -> str:
    return digest("samples", (await audio.whole()).sha256, wanted)


async def _ended(*tasks: "asyncio.Future[Any]") -> None:
    """Cancel tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
