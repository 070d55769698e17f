"""One request's way from a file to its transcript, window by window.

Decoding, listening, features and recognition run in other processes and are shared by all
requests; this module only moves windows along, a few of a request at a time, so that a long file
never fills the queue before a short one.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from services.whisper.incoming import Decoder, IncomingAudio
from services.whisper.metrics import SpeechMetrics
from services.whisper.pauses import out_of_pauses
from services.whisper.quality import best_of, judged, ladder, next_attempt
from services.whisper.speech import Span, SpeechDetector, SpeechRules
from services.whisper.tasks import (
    FEATURES,
    FRAME_SAMPLES,
    LISTEN,
    SAMPLE_RATE_HZ,
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
from shared.media.limits import AudioLimits

PIECE_SAMPLES = 1000 * FRAME_SAMPLES
"""A recording is heard in pieces of 32 s."""

SURE_LANGUAGE = 0.5
"""From this probability on, the language found in one window holds for the rest."""

SHORT_WINDOWS = 4
"""Recordings longer than so many windows are bulk work after their first text."""

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
class Recognised:
    """What the model made of one window, wherever it stands."""

    result: WindowResult
    attempts: int = 1


class WindowMemory(Protocol):
    """Windows that were recognised before."""

    async def get(self, samples: FloatArray, language: str | None) -> Recognised | None:
        """What was made of these samples, if it is known for the language asked for."""
        ...

    async def put(self, samples: FloatArray, language: str | None, known: Recognised) -> None:
        """Remember it."""
        ...


@dataclass(frozen=True)
class _Job:
    """One recording on its way."""

    audio: IncomingAudio
    request: SpeechRequest
    limits: ModelLimits
    memory: WindowMemory | None


@dataclass
class _Voice:
    """What is known of a request's language so far."""

    language: str | None
    is_settled: bool = field(init=False)

    def __post_init__(self) -> None:
        self.is_settled = self.language is not None

    def learn(self, result: WindowResult) -> None:
        if not self.is_settled and result.language_probability >= SURE_LANGUAGE:
            self.language, self.is_settled = result.language, True


class Transcriber:
    """Transcribes recordings with the service's processes."""

    def __init__(
        self,
        decoder: Decoder,
        listener: EngineHost,
        recogniser: EngineHost,
        *,
        audio_limits: AudioLimits,
        windows_in_flight: int,
        metrics: SpeechMetrics,
    ) -> None:
        """Use the given processes.

        Args:
            decoder: decodes files.
            listener: hears speech and computes features.
            recogniser: turns windows into text.
            audio_limits: bounds of a recording.
            windows_in_flight: windows of one request that wait or run at the same time.
            metrics: where it counts.
        """
        self._decoder = decoder
        self._listener = listener
        self._recogniser = recogniser
        self._audio_limits = audio_limits
        self._windows_in_flight = windows_in_flight
        self._metrics = metrics

    async def open(self, file: Path) -> IncomingAudio:
        """Begin to decode a file, and wait until its first piece or all of it is there.

        Returns:
            The recording, to be closed by the caller.

        Raises:
            UnsupportedMedia: it holds no audio that can be read.
            PayloadTooLarge: it is longer, or has more channels, than the limit.
        """
        progress = request_context().progress
        progress.stage = "decoding"
        audio = IncomingAudio(file, self._decoder, self._audio_limits)
        try:
            await audio.until(PIECE_SAMPLES)
        except BaseException:
            await audio.close()
            raise
        progress.stage = "recognising"
        return audio

    async def transcribe(
        self,
        audio: IncomingAudio,
        request: SpeechRequest,
        limits: ModelLimits,
        deliver: Deliver | None = None,
        memory: WindowMemory | None = None,
    ) -> Transcript:
        """Transcribe a recording, which may still be on its way.

        Args:
            audio: from ``open``.
            request: what is wanted.
            limits: of the loaded model.
            deliver: told each window's transcript, in order, as soon as it is known.
            memory: windows that were recognised before.

        Raises:
            GantryError: the first error that decoding or a window met.
        """
        progress, started = request_context().progress, time.perf_counter()
        transcript = Transcript()
        job = _Job(audio, request, limits, memory)
        async with contextlib.aclosing(self._parts(job)) as parts:
            async for part in parts:
                if not transcript.parts:
                    self._metrics.first_window(time.perf_counter() - started)
                transcript.parts.append(part)
                progress.done = round(part.end_s)
                if deliver is not None:
                    await deliver(part)
        progress.done = progress.total
        transcript.duration_s = (await audio.whole()).duration_s
        transcript.language = request.language or spoken_language(transcript.parts)
        self._metrics.recording(transcript.duration_s, time.perf_counter() - started)
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
                    samples = await job.audio.read(window.span)
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
        if not job.request.uses_vad and await _fits_a_window(job):
            whole = Span(0, job.audio.n_samples)
            yield Window(0, whole, (whole,))
            return
        rules = SpeechRules(max_speech_s=job.limits.window_s - WINDOW_MARGIN_S)
        if not job.request.uses_vad:  # all is speech; it is still cut where it is least like it
            rules = replace(rules, threshold=0.0, end_threshold=-1.0)
        detector, cutter = SpeechDetector(rules), WindowCutter(job.limits.window_s)
        state: VadState | None = None
        start, there = 0, await job.audio.until(PIECE_SAMPLES)
        while start < there:
            span = Span(start, min(start + PIECE_SAMPLES, there))
            samples = await job.audio.read(span)
            missing = -len(samples) % FRAME_SAMPLES
            heard = await self._listen(ListenTask(np.pad(samples, (0, missing)), state))
            state = heard.state
            for window in cutter.feed(detector.feed(heard.probabilities.tolist()), span.end):
                yield window
            start = span.end
            there = await job.audio.until(start + PIECE_SAMPLES)
        for window in cutter.feed(detector.finish(start), start):
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
        language = voice.language
        known = await job.memory.get(samples, language) if job.memory is not None else None
        made = known or await self._recognise(job, window, samples, language)
        voice.learn(made.result)
        if job.memory is not None and known is None:
            await job.memory.put(samples, language, made)
        part = placed(window, made.result, judged(made.result, made.attempts))
        self._metrics.window(part.quality, is_remembered=known is not None)
        return part

    async def _recognise(
        self, job: _Job, window: Window, samples: FloatArray, language: str | None
    ) -> Recognised:
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
            result = await self._run(task, options, _priority(job, window))
            attempts.append(result)
            options = next_attempt(result, options, rest)
            if len(attempts) == limits.max_attempts:
                break
            if options is not None and result.encoded is not None:
                task = replace(task, audio=result.encoded, language=result.language)
                options = replace(options, is_encoded=True)
        best = best_of(attempts)
        words = out_of_pauses(best.words, features)
        return Recognised(replace(best, words=words, encoded=None), len(attempts))

    async def _run(
        self, task: WindowTask, options: DecodeOptions, priority: Priority
    ) -> WindowResult:
        result: WindowResult = await self._recogniser.run(
            task,
            key=options,
            weight=task.duration_s,
            priority=priority,
            size_bytes=task.audio.nbytes,
        )
        return result


def _priority(job: _Job, window: Window) -> Priority:
    """A recording is as long as is known so far; decoding is far ahead of recognition."""
    longest = SHORT_WINDOWS * job.limits.window_s * SAMPLE_RATE_HZ
    is_first, is_short = window.index == 0, job.audio.n_samples <= longest
    return Priority.INTERACTIVE if is_first or is_short else Priority.BULK


async def _fits_a_window(job: _Job) -> bool:
    """Whether there is sound, and no more than goes through the model at once."""
    most = round((job.limits.window_s - WINDOW_MARGIN_S) * SAMPLE_RATE_HZ)
    return 0 < await job.audio.until(most + 1) <= most


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
