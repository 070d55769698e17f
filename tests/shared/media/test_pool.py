import asyncio
import hashlib
import os
import signal
import wave

import numpy as np
import psutil
import pytest
from PIL import Image

from shared.errors import QueueFull, UnsupportedMedia
from shared.media.limits import AudioLimits, ImageLimits
from shared.media.pool import MediaPool


@pytest.fixture
async def pool():
    pool = MediaPool(1, max_waiting=2)
    yield pool
    await pool.close()


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture"
    Image.new("RGB", (400, 300), "red").save(path, "PNG")
    return path


async def test_picture_is_decoded_in_a_child(pool, picture):
    pixels = (await pool.decode_image(picture, ImageLimits())).pixels

    np.testing.assert_array_equal(pixels, np.full((300, 400, 3), [255, 0, 0]))


async def test_fault_of_a_file_names_the_fault(pool, tmp_path):
    (tmp_path / "bad").write_bytes(b"nothing")

    with pytest.raises(UnsupportedMedia, match="not a picture"):
        await pool.decode_image(tmp_path / "bad", ImageLimits())


async def test_long_recording_can_be_read_while_it_is_decoded(pool, tmp_path):
    samples = np.arange(25 * 16_000).astype("<i2")
    write_wave(tmp_path / "a", samples)
    readable = []

    def note(n_samples):
        content = np.fromfile(tmp_path / "a.pcm", "<i2")[:n_samples]
        readable.append((n_samples // 160_000, np.array_equal(content, samples[:n_samples])))

    pcm = await pool.decode_audio_to(tmp_path / "a", tmp_path / "a.pcm", AudioLimits(), note)

    assert readable == [(1, True), (2, True)]
    assert pcm.n_samples == len(samples)
    assert pcm.sha256 == hashlib.sha256(samples.tobytes()).hexdigest()


async def test_small_file_passes_large_ones(tmp_path, picture):
    pool, ended = MediaPool(2), []
    await asyncio.gather(*(pool.decode_image(picture, ImageLimits()) for _ in range(2)))
    write_wave(tmp_path / "large", np.zeros(3 * 2**20, "<i2"))

    async def large(number):
        target = tmp_path / f"{number}.pcm"
        await pool.decode_audio_to(tmp_path / "large", target, AudioLimits())
        ended.append("large")

    work = [asyncio.ensure_future(large(number)) for number in range(3)]
    while not (tmp_path / "0.pcm").exists():  # noqa: ASYNC110 - the first is at work
        await asyncio.sleep(0)
    await pool.decode_image(picture, ImageLimits())
    ended.append("small")
    await asyncio.gather(*work)
    await pool.close()

    assert ended.index("small") < 2


async def test_killed_decoder_costs_one_request(pool, picture, tmp_path):
    await pool.decode_image(picture, ImageLimits())
    [child] = media_children()
    os.mkfifo(tmp_path / "pipe")
    doomed = asyncio.ensure_future(pool.count_pages(tmp_path / "pipe"))
    # Opening for writing waits for a reader: from then on the decoder is at work.
    writer = await asyncio.to_thread(os.open, tmp_path / "pipe", os.O_WRONLY)
    os.kill(child, signal.SIGKILL)

    with pytest.raises(UnsupportedMedia, match="had to be stopped"):
        await doomed

    os.close(writer)
    assert (await pool.decode_image(picture, ImageLimits())).width_px == 400


async def test_decoder_whose_caller_left_while_it_started_serves_the_next(pool, picture):
    leaving = asyncio.ensure_future(pool.decode_image(picture, ImageLimits()))
    children = await asyncio.to_thread(started_media_children)

    leaving.cancel()
    await asyncio.wait([leaving])
    await pool.decode_image(picture, ImageLimits())

    assert leaving.cancelled()
    assert media_children() == children


async def test_decoding_that_takes_too_long_is_stopped(picture):
    pool = MediaPool(1, timeout_s=0.5)
    await pool.decode_image(picture, ImageLimits())
    [child] = media_children()
    os.kill(child, signal.SIGSTOP)

    with pytest.raises(UnsupportedMedia, match=r"within 0\.5 s"):
        await pool.decode_image(picture, ImageLimits())

    assert (await pool.decode_image(picture, ImageLimits())).width_px == 400
    await pool.close()


async def test_only_so_many_files_wait(pool, picture):
    calls = [pool.decode_image(picture, ImageLimits()) for _ in range(8)]

    outcomes = await asyncio.gather(*calls, return_exceptions=True)

    assert sum(isinstance(each, QueueFull) for each in outcomes) == 8 - 1 - 2


async def test_closing_leaves_no_process(picture):
    pool = MediaPool(2)
    await asyncio.gather(*(pool.decode_image(picture, ImageLimits()) for _ in range(2)))
    assert media_children()

    await pool.close()

    assert media_children() == []


def write_wave(path, samples):
    """Write 16-bit samples of 16 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples.tobytes())


def started_media_children():
    while not (children := media_children()):
        pass
    return children


def media_children():
    """Process ids of the decoders of this process."""
    children = psutil.Process().children()
    return [
        child.pid
        for child in children
        if child.status() != psutil.STATUS_ZOMBIE and "shared.worker" in child.cmdline()
    ]
