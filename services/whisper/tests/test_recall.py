"""Recordings that were heard before are answered without the model."""

import asyncio
import io
from contextlib import asynccontextmanager

import av
import httpx
import numpy as np
import pytest

from services.whisper.app import build
from services.whisper.engines.listener import Listener
from services.whisper.settings import WhisperSettings
from services.whisper.tests import voice
from services.whisper.tests.gated_engine import GatedEngine
from services.whisper.tests.paced_decoder import PacedDecoder
from services.whisper.tests.waiting import until
from shared.testing import running_app, running_server

PATH = "/v1/audio/transcriptions"


@pytest.fixture
def served(decoder):
    @asynccontextmanager
    async def serve(engine, decoder=decoder, **settings):
        engine.gate.set()
        app = build(WhisperSettings(max_batch_size=1, **settings), engine, Listener(), decoder)
        async with running_app(app) as client:
            yield client

    return serve


def post(client, audio, **fields):
    return client.post(PATH, files={"file": ("a", audio)}, data={"language": "en", **fields})


def flac(wav):
    """The same samples in another container."""
    buffer = io.BytesIO()
    with av.open(io.BytesIO(wav)) as source, av.open(buffer, "w", format="flac") as target:
        stream = target.add_stream("flac", rate=voice.SAMPLE_RATE_HZ, layout="mono", format="s16")
        for frame in source.decode(audio=0):
            frame.pts = None
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return buffer.getvalue()


async def test_same_file_is_answered_from_memory_in_any_format(served, one_sentence):
    engine = GatedEngine(window_s=30)
    async with served(engine) as client:
        first = await post(client, one_sentence)
        again = await post(client, one_sentence)
        verbose = await post(client, one_sentence, response_format="verbose_json")
        events = await post(client, one_sentence, stream="true")

    assert first.headers["x-cache"] == "miss"
    assert again.headers["x-cache"] == verbose.headers["x-cache"] == "hit-memory"
    assert again.json() == first.json()
    assert verbose.json()["segments"][0]["text"] == " one"
    assert '"text": "one"' in events.text
    assert len(engine.ran) == 1


async def test_same_recording_in_another_container_is_known(served, one_sentence):
    engine = GatedEngine(window_s=30)
    async with served(engine) as client:
        first = await post(client, one_sentence)
        again = await post(client, flac(one_sentence))

    assert again.headers["x-cache"] == "hit-memory"
    assert again.json() == first.json()


@pytest.mark.parametrize("fields", [{"language": "ko"}, {"prompt": "x"}, {"temperature": "0.5"}])
async def test_other_options_are_another_request(served, one_sentence, fields):
    engine = GatedEngine(window_s=30)
    async with served(engine) as client:
        await post(client, one_sentence)
        await post(client, one_sentence, **fields)

    assert len(engine.ran) == 2


async def test_long_recording_in_another_container_is_known_once_it_is_decoded(served, tmp_path):
    audio, decoder = voice.wav(np.tile(voice.speech(5), 13)), PacedDecoder()
    async with served(GatedEngine(window_s=2), cache_dir=tmp_path / "r") as client:
        first = await post(client, audio)
    for path in (tmp_path / "r").glob("*/*"):  # the windows, which are remembered too
        if 200 < path.stat().st_size < 2000:
            path.unlink()
    engine = GatedEngine(window_s=2)
    async with served(engine, decoder, cache_dir=tmp_path / "r") as client:
        for _ in range(3):
            decoder.permits.release()
        again = asyncio.ensure_future(post(client, flac(audio)))
        await until(lambda: engine.ran)
        decoder.let_all()
        found = await again
        third = await post(client, flac(audio))

    assert first.headers["x-cache"] == "miss"
    assert found.headers["x-cache"] == "hit-disk"
    assert third.headers["x-cache"] == "hit-memory"
    assert found.json() == third.json() == first.json()
    assert len(engine.ran) < 20


async def test_callers_do_not_share_results(served, one_sentence):
    engine = GatedEngine(window_s=30)
    async with served(engine) as client:
        answers = [
            await client.post(
                PATH, files={"file": ("a", one_sentence)}, headers={"X-Caller": caller}
            )
            for caller in ("a", "b", "a")
        ]

    assert [each.headers["x-cache"] for each in answers] == ["miss", "miss", "hit-memory"]
    assert len(engine.ran) == 2


async def test_nothing_is_remembered_where_it_is_switched_off(served, one_sentence):
    engine = GatedEngine(window_s=30)
    async with served(engine, cache_memory_bytes=0) as client:
        await post(client, one_sentence)
        again = await post(client, one_sentence)

    assert again.headers["x-cache"] == "off"
    assert len(engine.ran) == 2


async def test_results_on_disk_survive_a_restart(served, one_sentence, tmp_path):
    for expected in ("miss", "hit-disk"):
        engine = GatedEngine(window_s=30)
        async with served(engine, cache_dir=tmp_path / "results") as client:
            answer = await post(client, one_sentence)

        assert answer.headers["x-cache"] == expected
        assert answer.json()["text"] == "one"
    assert engine.ran == []


async def test_interrupted_recording_goes_on_where_it_was(served, tmp_path):
    pieces = [voice.speech(2, seed) for seed in range(8)]
    audio = voice.wav(np.concatenate([np.append(each, voice.silence(7)) for each in pieces]))
    failing, working = GatedEngine(window_s=30, fails_at=5), GatedEngine(window_s=30)

    async with served(failing, cache_dir=tmp_path / "r", windows_in_flight=1) as client:
        broken = await post(client, audio)
    async with served(working, cache_dir=tmp_path / "r", windows_in_flight=1) as client:
        answer = await post(client, audio)
        metrics = (await client.get("/metrics")).text

    assert (broken.status_code, answer.status_code) == (500, 200)
    assert len(working.ran) == 3
    assert answer.json()["text"] == "one two three four five one two three"
    assert 'gantry_speech_windows_total{source="memory"} 5.0' in metrics
    assert 'gantry_speech_windows_total{source="model"} 3.0' in metrics
    assert "gantry_speech_audio_seconds_total 72.0" in metrics


async def test_identical_requests_in_flight_are_recognised_once(one_sentence):
    engine = GatedEngine(window_s=30)
    app = build(WhisperSettings(), engine, Listener())
    async with running_server(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        try:
            for host in app.state.spec.hosts:
                await host.settled()
            leaving = asyncio.ensure_future(post(client, one_sentence))
            await until(lambda: waiters(app) == 1)
            staying = asyncio.ensure_future(post(client, one_sentence))
            await until(lambda: waiters(app) == 2)
            leaving.cancel()
            await until(lambda: waiters(app) == 1)
            engine.gate.set()
            answer = await staying
        finally:
            engine.gate.set()

    assert answer.json()["text"] == "one"
    assert len(engine.ran) == 1


def waiters(app):
    """Requests that wait for a run under way; the cache shows them nowhere else."""
    return sum(flight.waiters for flight in app.state.recall._cache._flights.values())
