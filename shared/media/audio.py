"""Decode recordings with PyAV; runs in a media worker."""

import hashlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from shared.errors import PayloadTooLarge, UnsupportedMedia
from shared.media.limits import AudioLimits, PcmFile, Recording

DEMUXERS = frozenset(
    {
        "aac", "ac3", "aiff", "amr", "asf", "au", "avi", "caf", "flac", "flv", "matroska,webm",
        "mov,mp4,m4a,3gp,3g2,mj2", "mp3", "mpeg", "mpegts", "ogg", "w64", "wav", "wv",
    }
)  # fmt: skip
"""Containers that are read. Playlists (HLS, DASH, concat) are not: they would open other files."""

NEWS_S = 10.0
"""A recording that is decoded into a file can be read in steps of this length."""


def decode_audio(path: str, limits: AudioLimits) -> Recording:
    """Decode the first audio stream to mono float32.

    Args:
        path: file of ours.
        limits: bounds, checked while decoding, and the sample rate of the result.

    Returns:
        The recording; channels are averaged. Damage after a sound beginning ends it there.

    Raises:
        UnsupportedMedia: no container or codec that is read, or no audio in it.
        PayloadTooLarge: longer, or more channels, than the limit.
    """
    pieces = list(_pieces(path, limits))
    samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    return Recording(samples, limits.sample_rate_hz)


def decode_audio_to(path: str, target: str, limits: AudioLimits) -> Generator[int, None, PcmFile]:
    """Decode the first audio stream into a file, in memory that does not grow with its length.

    Args:
        path: file of ours.
        target: file to write: mono, 16 bit little endian, no header.
        limits: as for ``decode_audio``, which also says what is raised.

    Yields:
        How many samples can be read from the file, after each ``NEWS_S`` of it.

    Returns:
        What is in the file at the end.
    """
    n_samples = told = 0
    content = hashlib.sha256()
    with Path(target).open("wb") as file:
        for piece in _pieces(path, limits):
            # 16-bit recordings come through unchanged; only full scale itself is out of range.
            data = (piece * 32768).round().clip(-32768, 32767).astype("<i2").tobytes()
            file.write(data)
            content.update(data)
            n_samples += len(piece)
            if n_samples - told >= NEWS_S * limits.sample_rate_hz:
                file.flush()
                told = n_samples
                yield n_samples
    return PcmFile(n_samples, limits.sample_rate_hz, content.hexdigest())


def _pieces(path: str, limits: AudioLimits) -> Iterator[NDArray[np.float32]]:
    if not Path(path).stat().st_size:
        raise UnsupportedMedia("the file is empty")
    try:
        with av.open(path, options={"protocol_whitelist": "file"}) as container:
            yield from _decode(container, limits)
    except (av.error.FFmpegError, ValueError, MemoryError) as error:
        raise UnsupportedMedia(f"the audio cannot be decoded ({type(error).__name__})") from None


def _decode(
    container: Any,  # noqa: ANN401 - PyAV is untyped
    limits: AudioLimits,
) -> Iterator[NDArray[np.float32]]:
    if container.format.name not in DEMUXERS:
        raise UnsupportedMedia(f"containers of type {container.format.name!r} are not read")
    if not container.streams.audio:
        raise UnsupportedMedia("the file holds no audio")
    stream = container.streams.audio[0]
    if stream.codec_context.channels > limits.max_channels:
        raise PayloadTooLarge(
            f"the audio has {stream.codec_context.channels} channels; "
            f"the limit is {limits.max_channels}"
        )
    left = int(limits.max_seconds * limits.sample_rate_hz)
    for piece in _resampled(container, stream, limits.sample_rate_hz):
        left -= len(piece)
        if left < 0:
            raise PayloadTooLarge(f"the audio is longer than {limits.max_seconds:g} s")
        yield np.clip(piece, -1, 1)


def _resampled(
    container: Any,  # noqa: ANN401 - PyAV is untyped
    stream: Any,  # noqa: ANN401
    sample_rate_hz: int,
) -> Iterator[NDArray[np.float32]]:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=sample_rate_hz)
    decoded_any = False
    try:
        for frame in container.decode(stream):
            frame.pts = None  # a gap or jump in the time stamps must not stop the resampler
            decoded_any = True
            for part in resampler.resample(frame):
                yield part.to_ndarray().astype(np.float32, copy=False).reshape(-1)
    except av.error.FFmpegError:
        if not decoded_any:
            raise
    if decoded_any:
        for part in resampler.resample(None):
            yield part.to_ndarray().astype(np.float32, copy=False).reshape(-1)
