"""How requests share the model: order, streaming, leaving, languages."""

import asyncio
import json
from contextlib import asynccontextmanager

import httpx
import pytest

from services.whisper.app import build
from services.whisper.engines.listener import Listener
from services.whisper.settings import WhisperSettings
from services.whisper.tests import voice
from services.whisper.tests.gated_engine import GatedEngine
from services.whisper.tests.waiting import until
from shared.testing import running_server

PATH = "/v1/audio/transcriptions"


@pytest.fixture(scope="module")
def long_audio():
    """40 s of voice: with windows of 2 s at least twenty of them."""
    return voice.wav(voice.speech(40))


@pytest.fixture
def served(decoder):
    @asynccontextmanager
    async def serve(engine, **options):
        # Threads hash windows for a cache: with one they would come to the model in any order.
        settings = WhisperSettings(max_batch_size=1, cache_memory_bytes=0, **options)
        app = build(settings, engine, Listener(), decoder)
        async with (
            running_server(app) as url,
            httpx.AsyncClient(base_url=url, timeout=60) as client,
        ):
            for host in app.state.spec.hosts:
                await host.settled()
            try:
                yield client, app.state.recogniser
            finally:
                engine.gate.set()

    return serve


def post(client, audio, name, **fields):
    request_id = {"X-Request-Id": name}
    return client.post(
        PATH, files={"file": ("a.wav", audio)}, data={"prompt": name, **fields}, headers=request_id
    )


@pytest.mark.parametrize("done", [1, 6])
async def test_short_clip_overtakes_a_long_recording(served, long_audio, one_sentence, done):
    engine = GatedEngine()
    async with served(engine, windows_in_flight=3) as (client, recogniser):
        long = asyncio.ensure_future(post(client, long_audio, "long"))
        for _ in range(done):
            engine.permits.release()
        await until(lambda: len(engine.ran) == done and recogniser.queued_items == 2)
        short = asyncio.ensure_future(post(client, one_sentence, "short"))
        await until(lambda: recogniser.queued_items == 3)
        engine.gate.set()
        await asyncio.gather(long, short)

    # One window of the long recording was running when the short clip came.
    assert [prompt for prompt, _ in engine.ran].index("short") == done + 1
    assert len(engine.ran) > 20


async def test_long_recording_keeps_few_windows_in_the_queue(served, long_audio):
    engine = GatedEngine()
    async with served(engine, windows_in_flight=3) as (client, recogniser):
        long = asyncio.ensure_future(post(client, long_audio, "long", language="en"))
        await until(lambda: recogniser.queued_items == 2)
        for _ in range(2000):
            await asyncio.sleep(0)
        most = recogniser.queued_items
        engine.gate.set()
        await long

    assert most == 2


async def test_first_text_is_sent_before_the_second_window_is_recognised(served, long_audio):
    engine = GatedEngine()
    async with served(engine) as (client, _):
        request = client.build_request(
            "POST", PATH, files={"file": ("a.wav", long_audio)}, data={"stream": "true"}
        )
        engine.permits.release()
        answer = await client.send(request, stream=True)
        lines = answer.aiter_lines()
        first = json.loads((await anext(lines))[6:])
        ran_by_then = len(engine.ran)
        engine.gate.set()
        rest = [json.loads(line[6:]) async for line in lines if line.startswith("data: ")]

    assert first == {"type": "transcript.text.delta", "delta": "one"}
    assert ran_by_then == 1
    assert rest[-1]["type"] == "transcript.text.done"
    assert rest[-1]["text"].startswith("one two three four five ")
    assert first["delta"] + "".join(e["delta"] for e in rest[:-1]) == rest[-1]["text"]


@pytest.mark.parametrize("fields", [{}, {"stream": "true"}])
async def test_client_that_leaves_takes_its_windows_along(served, long_audio, fields):
    engine = GatedEngine()
    async with served(engine) as (client, recogniser):
        work = asyncio.ensure_future(post(client, long_audio, "gone", language="en", **fields))
        engine.permits.release()
        await until(lambda: recogniser.queued_items >= 2)
        work.cancel()
        await until(lambda: recogniser.queued_items == 0)
        started = len(engine.ran) + 1
        engine.gate.set()
        answer = await post(client, voice.wav(voice.silence(1)), "other")

    assert answer.status_code == 200
    assert len(engine.ran) <= started


async def test_fault_after_the_first_text_is_an_event(served, long_audio):
    engine = GatedEngine(fails_at=2)
    engine.gate.set()
    async with served(engine) as (client, _):
        answer = await post(client, long_audio, "poor", stream="true", language="en")

    last = json.loads(answer.text.strip().split("\n\n")[-1][6:])
    assert answer.status_code == 200
    assert last["type"] == "error"
    assert last["error"]["code"] == "engine_error"


async def test_fault_without_stream_is_a_problem(served, long_audio):
    engine = GatedEngine(fails_at=2)
    engine.gate.set()
    async with served(engine) as (client, _):
        answer = await post(client, long_audio, "poor")

    assert answer.status_code == 500
    assert answer.json()["code"] == "engine_error"


async def test_progress_counts_seconds(served, long_audio):
    engine = GatedEngine()
    async with served(engine) as (client, _):
        work = asyncio.ensure_future(post(client, long_audio, "job-1"))
        for _ in range(5):
            engine.permits.release()
        progress = {}
        async with asyncio.timeout(30):
            while progress.get("done", 0) < 4:
                progress = (await client.get("/progress/job-1")).json()
        engine.gate.set()
        await work
        after = await client.get("/progress/job-1")

    assert (progress["stage"], progress["total"]) == ("recognising", 40)
    assert 4 <= progress["done"] < 40
    assert after.status_code == 404


@pytest.mark.parametrize(("sure", "asked"), [(0.9, {"ko"}), (0.3, {None})])
async def test_language_of_a_sure_window_holds_for_the_rest(served, long_audio, sure, asked):
    engine = GatedEngine(sure=sure)
    engine.gate.set()
    async with served(engine) as (client, _):
        answer = await post(client, long_audio, "a", response_format="verbose_json")

    assert answer.json()["language"] == "korean"
    assert engine.ran[0] == ("a", None)
    assert {language for _, language in engine.ran[1:]} == asked
