"""Recordings that are heard while they are decoded."""

import asyncio
import json
from contextlib import asynccontextmanager

import httpx
import numpy as np
import pytest

from services.whisper.app import build
from services.whisper.engines.listener import Listener
from services.whisper.incoming import IncomingAudio
from services.whisper.settings import WhisperSettings
from services.whisper.speech import Span
from services.whisper.tests import voice
from services.whisper.tests.gated_engine import GatedEngine
from services.whisper.tests.paced_decoder import PacedDecoder
from shared.context import RequestContext, entered
from shared.errors import PayloadTooLarge
from shared.media.limits import AudioLimits
from shared.testing import running_server

PATH = "/v1/audio/transcriptions"


@pytest.fixture(scope="module")
def samples():
    """65 s, of which the decoder tells six times."""
    return np.tile(voice.speech(5), 13)


@pytest.fixture(scope="module")
def file(samples, tmp_path_factory):
    path = tmp_path_factory.mktemp("incoming") / "a"
    path.write_bytes(voice.wav(samples))
    return path


@asynccontextmanager
async def opened(file, decoder, **limits):
    with entered(RequestContext("id", 1e9)):
        audio = IncomingAudio(file, decoder, AudioLimits(**limits))
        try:
            yield audio
        finally:
            await audio.close()


async def test_samples_can_be_read_before_the_rest_is_decoded(file, samples):
    decoder = PacedDecoder()
    async with opened(file, decoder) as audio:
        there = await audio.until(160_000)
        heard = await audio.read(Span(80_000, 160_000))

        assert 160_000 <= there < 320_000
        assert not audio.is_complete
        np.testing.assert_allclose(heard, samples[80_000:160_000], atol=1e-4)


async def test_waiting_for_more_than_there_is_gives_all(file, samples):
    decoder = PacedDecoder()
    decoder.let_all()
    async with opened(file, decoder) as audio:
        assert await audio.until(10**9) == len(samples)
        assert (await audio.whole()).n_samples == len(samples)


async def test_fault_behind_the_beginning_reaches_whoever_waits(file):
    decoder = PacedDecoder()
    async with opened(file, decoder, max_seconds=30) as audio:
        await audio.until(1)
        waiting = asyncio.ensure_future(audio.until(10**9))
        decoder.let_all()

        with pytest.raises(PayloadTooLarge, match="longer than 30 s"):
            await waiting


async def test_closing_stops_the_decoder(file):
    decoder = PacedDecoder()
    async with opened(file, decoder) as audio:
        await audio.until(1)

    decoder.let_all()
    await asyncio.sleep(0)
    assert not decoder.has_ended


async def test_first_text_is_sent_before_the_recording_is_decoded(file):
    engine, decoder = GatedEngine(), PacedDecoder()
    engine.gate.set()
    for _ in range(3):  # a little more than the first piece of 32 s
        decoder.permits.release()
    app = build(WhisperSettings(max_batch_size=1), engine, Listener(), decoder)
    async with running_server(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        for host in app.state.spec.hosts:
            await host.settled()
        request = client.build_request(
            "POST", PATH, files={"file": ("a.wav", file.read_bytes())}, data={"stream": "true"}
        )
        answer = await client.send(request, stream=True)
        lines = answer.aiter_lines()
        first = json.loads((await anext(lines))[6:])
        had_ended = decoder.has_ended
        decoder.let_all()
        rest = [json.loads(line[6:]) async for line in lines if line.startswith("data: ")]

    assert first == {"type": "transcript.text.delta", "delta": "one"}
    assert not had_ended
    assert rest[-1]["type"] == "transcript.text.done"
    assert rest[-1]["usage"]["seconds"] == 65.0
    assert len(rest) > 30
