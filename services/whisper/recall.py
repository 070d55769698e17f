"""Answers to recordings that were transcribed before, and resuming those that were interrupted.

A request is looked up twice: by the bytes that were sent, before anything is decoded, and by the
decoded samples, so that the same recording in another container is a hit too. The form of the
answer is not part of the key. Windows of long recordings are remembered one by one: when such a
request is sent again after a crash, it goes on where it was.
"""

import asyncio
import hashlib
from dataclasses import asdict, astuple, dataclass
from typing import Any

from services.whisper.quality import Quality
from services.whisper.tasks import TokenScore
from services.whisper.transcriber import (
    DecodedAudio,
    Deliver,
    ModelLimits,
    SpeechRequest,
    Transcriber,
)
from services.whisper.transcript import Segment, Transcript, WindowTranscript, Word
from shared.cache import ResultCache, digest
from shared.context import request_context
from shared.uploads import UploadedFile

LONG_AUDIO_S = 60.0
"""Windows of longer recordings are remembered one by one."""


@dataclass(frozen=True)
class Prepared:
    """A recording that is ready to be transcribed, or has been before."""

    request: SpeechRequest
    limits: ModelLimits
    audio: DecodedAudio | None = None
    key: str | None = None  # under which the transcript will be remembered
    known: Transcript | None = None


class Recall:
    """A transcriber that remembers."""

    def __init__(self, transcriber: Transcriber, cache: ResultCache | None) -> None:
        """Remember in ``cache``; None remembers nothing."""
        self._transcriber, self._cache = transcriber, cache

    async def prepare(
        self, file: UploadedFile, request: SpeechRequest, limits: ModelLimits
    ) -> Prepared:
        """Look a file up, and decode it if its transcript is not known.

        Raises:
            UnsupportedMedia: it holds no audio that can be read.
            PayloadTooLarge: it is longer, or has more channels, than the limit.
        """
        # Sampling at a temperature is asked for because it differs each time.
        if self._cache is None or request.temperature > 0:
            return Prepared(request, limits, audio=await self._transcriber.decode(file.path))
        wanted = [list(astuple(request)), list(astuple(limits))]
        file_key = digest("file", file.sha256, wanted)
        pointer = await self._cache.get(file_key)
        known = await self._find(pointer[0]) if pointer is not None else None
        if known is not None:
            return Prepared(request, limits, known=known)
        audio = await self._transcriber.decode(file.path)
        key = digest("samples", await asyncio.to_thread(_sha256, audio), wanted)
        await self._cache.put(file_key, key)
        known = await self._find(key)
        if known is not None:
            return Prepared(request, limits, known=known)
        request_context().cache = "miss"
        return Prepared(request, limits, audio=audio, key=key)

    async def transcribe(self, prepared: Prepared, deliver: Deliver | None = None) -> Transcript:
        """The transcript, remembered or made now; identical requests in flight are made once.

        Args:
            prepared: from ``prepare``.
            deliver: told each window's transcript in order. A request that wants this runs alone.
        """
        if prepared.known is not None:
            for part in prepared.known.parts:
                if deliver is not None:
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

        value, _ = await self._cache.get_or_run(prepared.key, make)
        return transcript_from(value)

    async def _make(self, prepared: Prepared, deliver: Deliver | None) -> Transcript:
        audio = prepared.audio
        assert audio is not None
        remembers = prepared.key is not None and audio.pcm.duration_s > LONG_AUDIO_S
        windows = _Windows(self._cache, prepared.key) if remembers and self._cache else None
        return await self._transcriber.transcribe(
            audio, prepared.request, prepared.limits, deliver=deliver, memory=windows
        )

    async def _find(self, key: str) -> Transcript | None:
        assert self._cache is not None
        stored = await self._cache.get(key)
        if stored is None:
            return None
        request_context().cache = stored[1].value
        return transcript_from(stored[0])


class _Windows:
    """The windows of one recording, remembered by their place in it."""

    def __init__(self, cache: ResultCache, key: str | None) -> None:
        self._cache, self._key = cache, key

    async def get(self, start: int, end: int, language: str | None) -> WindowTranscript | None:
        stored = await self._cache.get(digest(self._key, start, end, language))
        return part_from(stored[0]) if stored is not None else None

    async def put(self, start: int, end: int, language: str | None, part: WindowTranscript) -> None:
        await self._cache.put(digest(self._key, start, end, language), asdict(part))


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
        }
    )


def _sha256(audio: DecodedAudio) -> str:
    with audio.path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
