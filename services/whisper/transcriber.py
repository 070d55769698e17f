"""One request's way from a file to its transcript, window by window.

Decoding, listening, features and recognition run in other processes and are shared by all
requests; this module only moves windows along, a few of a request at a time, so that a long file
never fills the queue before a short one.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Protocol

import numpy as np

from services.whisper.quality import best_of, judged, ladder, next_attempt
from services.whisper.speech import Span, SpeechDetector, SpeechRules
from services.whisper.tasks import (
    FEATURES,
    FRAME_SAMPLES,
    LISTEN,
    DecodeOptions,
    FeatureTask,
    FloatArray,
    Heard,
    ListenTask,
    Task,
    VadState,
    WindowResult,
    WindowTask,
)
from services.whisper.transcript import Transcript, WindowTranscript, placed, spoken_language
from services.whisper.windows import Window, WindowCutter
from shared.batching import Priority
from shared.context import RequestContext, entered, request_context
from shared.host import EngineHost
from shared.media.limits import AudioLimits, PcmFile
from shared.media.pool import MediaPool

PIECE_SAMPLES = 1000 * FRAME_SAMPLES
"""A recording is heard in pieces of 32 s."""

SAMPLE_BYTES = 2
SURE_LANGUAGE = 0.5
"""From this probability on, the language found in one window holds for the rest."""

INTERACTIVE_WINDOWS = 4
"""Windows after these are bulk work: by then it is a long recording."""

WINDOW_MARGIN_S = 1.0
"""A stretch of speech is kept this much shorter than the window, for its padding."""

Deliver = Callable[[WindowTranscript], Awaitable[None]]


@dataclass(frozen=True)
class SpeechRequest:
    """What a caller wants of a recording."""

    task: Task = "transcribe"
    language: str | None = None  # None: found out
    languages: tuple[str, ...] = ()  # among which it is found out
    prompt: str = ""
    hotwords: str = ""
    temperature: float = 0.0  # 0: rises on failure
    beam_size: int = 5
    has_words: bool = False
    uses_vad: bool = True


@dataclass(frozen=True)
class ModelLimits:
    """What the windows must keep to, as the loaded model says."""

    window_s: float
    n_mels: int
    max_new_tokens: int
    max_attempts: int
    model_digest: str  # of the weights and how they are run


@dataclass(frozen=True)
class DecodedAudio:
    """A recording, decoded into a file that lives as long as the request."""

    path: Path
    pcm: PcmFile


class WindowMemory(Protocol):
    """Windows that were recognised before; places are samples of the recording."""

    async def get(self, start: int, end: int, language: str | None) -> WindowTranscript | None:
        """The window's transcript, if it is known for the language asked for."""
        ...

    async def put(self, start: int, end: int, language: str | None, part: WindowTranscript) -> None:
        """Remember a window's transcript."""
        ...


@dataclass(frozen=True)
class _Job:
    """One recording on its way; its samples are read from an open file, which may be deleted."""

    samples: IO[bytes]
    n_samples: int
    request: SpeechRequest
    limits: ModelLimits
    memory: WindowMemory | None

    async def read(self, span: Span) -> FloatArray:
        """Samples of a stretch: (n_samples,) float32, -1 to 1."""
        return await asyncio.to_thread(self._read, span)

    def _read(self, span: Span) -> FloatArray:
        size, start = (span.end - span.start) * SAMPLE_BYTES, span.start * SAMPLE_BYTES
        raw = np.frombuffer(os.pread(self.samples.fileno(), size, start), "<i2")
        return raw.astype(np.float32) * np.float32(1 / 32768)


@dataclass
class _Voice:
    """What is known of a request's language so far."""

    language: str | None
    is_settled: bool = field(init=False)

    def __post_init__(self) -> None:
        self.is_settled = self.language is not None

    def learn(self, part: WindowTranscript) -> None:
        if not self.is_settled and part.language_probability >= SURE_LANGUAGE:
            self.language, self.is_settled = part.language, True


class Transcriber:
    """Transcribes recordings with the service's processes."""

    def __init__(
        self,
        media: MediaPool,
        listener: EngineHost,
        recogniser: EngineHost,
        *,
        audio_limits: AudioLimits,
        windows_in_flight: int,
    ) -> None:
        """Use the given processes.

        Args:
            media: decodes files.
            listener: hears speech and computes features.
            recogniser: turns windows into text.
            audio_limits: bounds of a recording.
            windows_in_flight: windows of one request that wait or run at the same time.
        """
        self._media = media
        self._listener = listener
        self._recogniser = recogniser
        self._audio_limits = audio_limits
        self._windows_in_flight = windows_in_flight

    async def decode(self, file: Path) -> DecodedAudio:
        """Decode a file next to itself.

        Raises:
            UnsupportedMedia: it holds no audio that can be read.
            PayloadTooLarge: it is longer, or has more channels, than the limit.
        """
        context = request_context()
        context.progress.stage = "decoding"
        target = file.with_suffix(".pcm")
        with context.measure("preprocess"):
            pcm = await self._media.decode_audio_to(file, target, self._audio_limits)
        context.progress.stage, context.progress.total = "recognising", round(pcm.duration_s)
        return DecodedAudio(target, pcm)

    async def transcribe(
        self,
        audio: DecodedAudio,
        request: SpeechRequest,
        limits: ModelLimits,
        deliver: Deliver | None = None,
        memory: WindowMemory | None = None,
    ) -> Transcript:
        """Transcribe a decoded recording.

        Args:
            audio: from ``decode``.
            request: what is wanted.
            limits: of the loaded model.
            deliver: told each window's transcript, in order, as soon as it is known.
            memory: windows of this recording that were recognised before.

        Raises:
            GantryError: the first error that a window met.
        """
        progress = request_context().progress
        transcript = Transcript(duration_s=audio.pcm.duration_s)
        with audio.path.open("rb") as samples:
            job = _Job(samples, audio.pcm.n_samples, request, limits, memory)
            async with contextlib.aclosing(self._parts(job)) as parts:
                async for part in parts:
                    transcript.parts.append(part)
                    progress.done = round(part.end_s)
                    if deliver is not None:
                        await deliver(part)
        progress.done = progress.total
        transcript.language = request.language or spoken_language(transcript.parts)
        return transcript

    async def _parts(self, job: _Job) -> AsyncGenerator[WindowTranscript]:
        """Transcripts of the windows, in order, while later windows are under way."""
        queue: asyncio.Queue[asyncio.Task[WindowTranscript] | None] = asyncio.Queue()
        slots = asyncio.Semaphore(self._windows_in_flight)
        started: set[asyncio.Task[WindowTranscript]] = set()

        async def start_all() -> None:
            voice = _Voice(job.request.language)
            try:
                async for window in self._windows(job):
                    await slots.acquire()
                    samples = await job.read(window.span)
                    task = asyncio.ensure_future(self._window(job, window, samples, voice))
                    started.add(task)
                    task.add_done_callback(started.discard)
                    queue.put_nowait(task)
                    if not voice.is_settled:
                        await asyncio.wait({task})  # the next window is to know the language
            finally:
                queue.put_nowait(None)

        producer = asyncio.ensure_future(start_all())
        try:
            while (task := await queue.get()) is not None:
                part = await task
                slots.release()
                yield part
            await producer
        finally:
            for each in (producer, *started):
                each.cancel()
            await asyncio.gather(producer, *started, return_exceptions=True)

    async def _windows(self, job: _Job) -> AsyncIterator[Window]:
        """Hear the recording piece by piece and cut it into windows at pauses."""
        rules = SpeechRules(max_speech_s=job.limits.window_s - WINDOW_MARGIN_S)
        if not job.request.uses_vad:  # all is speech; it is still cut where it is least like it
            rules = replace(rules, threshold=0.0, end_threshold=-1.0)
        detector, cutter = SpeechDetector(rules), WindowCutter(job.limits.window_s)
        state: VadState | None = None
        n_samples = job.n_samples
        for start in range(0, n_samples, PIECE_SAMPLES):
            span = Span(start, min(start + PIECE_SAMPLES, n_samples))
            samples = await job.read(span)
            missing = -len(samples) % FRAME_SAMPLES
            heard = await self._listen(ListenTask(np.pad(samples, (0, missing)), state))
            state = heard.state
            for window in cutter.feed(detector.feed(heard.probabilities.tolist()), span.end):
                yield window
        for window in cutter.feed(detector.finish(n_samples), n_samples):
            yield window
        for window in cutter.finish():
            yield window

    async def _listen(self, task: ListenTask) -> Heard:
        heard: Heard
        with _as_preprocessing():
            heard = await self._listener.run(task, key=LISTEN)
        return heard

    async def _window(
        self, job: _Job, window: Window, samples: FloatArray, voice: _Voice
    ) -> WindowTranscript:
        """Transcript of one window, remembered or made now."""
        place = (window.span.start, window.span.end, voice.language)
        known = await job.memory.get(*place) if job.memory is not None else None
        part = known or await self._recognise(job, window, samples, voice.language)
        voice.learn(part)
        if job.memory is not None and known is None:
            await job.memory.put(*place, part)
        return part

    async def _recognise(
        self, job: _Job, window: Window, samples: FloatArray, language: str | None
    ) -> WindowTranscript:
        """Text of one window, by as many attempts as its quality asks for."""
        request, limits = job.request, job.limits
        with _as_preprocessing():
            features = await self._listener.run(
                FeatureTask(samples, limits.n_mels), key=FEATURES, size_bytes=samples.nbytes
            )
        task = WindowTask(
            features,
            window.span.duration_s,
            language,
            request.languages,
            request.task,
            request.prompt,
            request.hotwords,
            request.has_words,
        )
        first = DecodeOptions(beam_size=request.beam_size, max_new_tokens=limits.max_new_tokens)
        attempts: list[WindowResult] = []
        rest = ladder(first, temperature=request.temperature)
        options: DecodeOptions | None = rest.pop(0)
        while options is not None:
            result = await self._run(task, options, window)
            attempts.append(result)
            options = next_attempt(result, options, rest)
            if len(attempts) == limits.max_attempts:
                break
            if options is not None and result.encoded is not None:
                task = replace(task, audio=result.encoded, language=result.language)
                options = replace(options, is_encoded=True)
        chosen = best_of(attempts)
        return placed(window, chosen, judged(chosen, len(attempts)))

    async def _run(self, task: WindowTask, options: DecodeOptions, window: Window) -> WindowResult:
        result: WindowResult = await self._recogniser.run(
            task,
            key=options,
            weight=task.duration_s,
            priority=(
                Priority.INTERACTIVE if window.index < INTERACTIVE_WINDOWS else Priority.BULK
            ),
            size_bytes=task.audio.nbytes,
        )
        return result


@contextlib.contextmanager
def _as_preprocessing() -> Iterator[None]:
    """Count what a host adds to the timings as preprocessing, and keep its model's name out."""
    context = request_context()
    scratch = RequestContext(context.request_id, context.deadline)
    try:
        with entered(scratch):
            yield
    finally:
        for spent_ms in scratch.timings_ms.values():
            context.add_ms("preprocess", spent_ms)
