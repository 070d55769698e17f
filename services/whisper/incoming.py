"""A recording that is being decoded and can be read as far as it has come.

Decoding runs in a media worker and writes a file; who listens reads behind it. So the first words
of a long recording are recognised while its end is still packed.
"""

import asyncio
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

import numpy as np

from services.whisper.speech import Span
from services.whisper.tasks import SAMPLE_RATE_HZ, FloatArray
from shared.context import request_context
from shared.media.limits import AudioLimits, PcmFile

SAMPLE_BYTES = 2


class Decoder(Protocol):
    """What decodes a file into another; the service's is ``shared.media.pool.MediaPool``."""

    async def decode_audio_to(
        self,
        path: Path,
        target: Path,
        limits: AudioLimits,
        on_progress: Callable[[int], None] | None = None,
    ) -> PcmFile:
        """Decode; see ``MediaPool.decode_audio_to``."""
        ...


class IncomingAudio:
    """Samples of one recording: mono, 16 kHz. Close it when it is no longer needed."""

    def __init__(self, file: Path, decoder: Decoder, limits: AudioLimits) -> None:
        """Begin to decode ``file`` next to itself.

        Both files may be deleted once the first samples are there.
        """
        target = file.with_suffix(".pcm")
        self._samples: IO[bytes] = target.open("w+b")
        self._n_samples = 0
        self._changed = asyncio.Event()
        self._work = asyncio.ensure_future(_decode(decoder, file, target, limits, self._tell))
        self._work.add_done_callback(lambda _: self._changed.set())

    @property
    def n_samples(self) -> int:
        """Samples that can be read now."""
        return self._n_samples

    @property
    def is_complete(self) -> bool:
        """Whether all of it has been decoded."""
        return self._work.done()

    async def until(self, n_samples: float) -> int:
        """Wait until ``n_samples`` can be read, or all of a shorter recording.

        Returns:
            Samples that can be read now.

        Raises:
            UnsupportedMedia: it holds no audio that can be read.
            PayloadTooLarge: it is longer, or has more channels, than the limit.
        """
        while self._n_samples < n_samples and not self.is_complete:
            self._changed.clear()
            await self._changed.wait()
        if self.is_complete:
            self._n_samples = self._work.result().n_samples
        return self._n_samples

    async def whole(self) -> PcmFile:
        """Wait until all of it is decoded; raises what ``until`` raises."""
        await self.until(math.inf)
        return self._work.result()

    async def read(self, span: Span) -> FloatArray:
        """Samples of a stretch: (n_samples,) float32, -1 to 1."""
        return await asyncio.to_thread(self._read, span)

    async def close(self) -> None:
        """Stop decoding and let the file go; harmless if done before."""
        self._work.cancel()
        try:
            await asyncio.gather(self._work, return_exceptions=True)
        finally:
            self._samples.close()

    def _tell(self, n_samples: int) -> None:
        self._n_samples = n_samples
        self._changed.set()

    def _read(self, span: Span) -> FloatArray:
        size, start = (span.end - span.start) * SAMPLE_BYTES, span.start * SAMPLE_BYTES
        raw = np.frombuffer(os.pread(self._samples.fileno(), size, start), "<i2")
        return raw.astype(np.float32) * np.float32(1 / 32768)


async def _decode(
    decoder: Decoder,
    file: Path,
    target: Path,
    limits: AudioLimits,
    tell: Callable[[int], None],
) -> PcmFile:
    context = request_context()
    with context.measure("preprocess"):
        pcm = await decoder.decode_audio_to(file, target, limits, tell)
    assert pcm.sample_rate_hz == SAMPLE_RATE_HZ
    context.progress.total = round(pcm.duration_s)
    return pcm
