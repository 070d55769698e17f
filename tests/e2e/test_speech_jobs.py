"""Long recordings as jobs: the real gateway before the real service, with a model that waits."""

import asyncio
import json
import signal
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from gateway.app import build as build_gateway
from gateway.settings import GatewaySettings
from services.whisper.app import build as build_whisper
from services.whisper.engines.listener import Listener
from services.whisper.settings import WhisperSettings
from services.whisper.tests import voice
from services.whisper.tests.gated_engine import GatedEngine
from services.whisper.tests.waiting import until
from shared.testing import running_server

ROOT = Path(__file__).parents[2]
PATH = "/v1/audio/transcriptions"
ASYNC = {"Prefer": "respond-async"}
THIRD_WINDOW_ENDS_S = 20


@pytest.fixture(scope="module")
def recording():
    """Eight windows: 2 s of voice and 7 s of silence each."""
    pieces = [np.append(voice.speech(2, seed), voice.silence(7)) for seed in range(8)]
    return voice.wav(*pieces)


@asynccontextmanager
async def gateway_before(url, state_dir):
    """A client of a gateway that knows the service at ``url``."""
    settings = GatewaySettings(
        upstreams={"whisper": url}, state_dir=state_dir, probe_interval_s=0.1, probe_timeout_s=0.5
    )
    gateway = build_gateway(settings)
    async with (
        running_server(gateway) as base,
        httpx.AsyncClient(base_url=base, timeout=60) as client,
    ):
        service = gateway.registry.services["whisper"]
        async with asyncio.timeout(60):
            while not all(each.is_ready for each in service.replicas.values()):
                await service.changed.wait()
        yield client


async def begin(client, recording):
    """Hand the recording in; the job's id."""
    files = {"file": ("talk.wav", recording)}
    accepted = await client.post(PATH, files=files, data={"language": "en"}, headers=ASYNC)
    assert accepted.status_code == 202, accepted.text
    return accepted.json()["id"]


async def states(client, job_id):
    """States of the job, as its event stream tells them."""
    async with asyncio.timeout(60), client.stream("GET", f"/v1/jobs/{job_id}/events") as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data:"):
                yield json.loads(line[5:])


@asynccontextmanager
async def service_process(port, cache_dir, windows):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.whisper.tests.halting_service",
        str(port), str(cache_dir), str(windows), cwd=ROOT,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def test_killed_service_goes_on_with_a_job_where_it_was(recording, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url, results = f"http://127.0.0.1:{port}", tmp_path / "results"
    async with (
        service_process(port, results, 3) as first,
        gateway_before(url, tmp_path / "state") as client,
    ):
        job_id = await begin(client, recording)
        async for state in states(client, job_id):
            if state["progress"]["done"] >= THIRD_WINDOW_ENDS_S:
                break
        first.send_signal(signal.SIGKILL)
        await first.wait()
        async with service_process(port, results, 100):
            seen = [each async for each in states(client, job_id)]
            result = await client.get(f"/v1/jobs/{job_id}/result")
            async with httpx.AsyncClient(base_url=url) as direct:
                metrics = (await direct.get("/metrics")).text

    assert state["progress"]["total"] == 72
    assert seen[-1]["status"] == "succeeded"
    # The second process begins to count anew: it was asked for five windows only, which may reach
    # the model in another order than they are told in.
    words = result.json()["text"].split()
    assert words[:3] == ["one", "two", "three"]
    assert sorted(words[3:]) == sorted(["one", "two", "three", "four", "five"])
    assert 'gantry_speech_windows_total{source="memory"} 3.0' in metrics


async def test_cancelled_job_leaves_no_window_behind(recording, tmp_path):
    engine = GatedEngine(window_s=30)
    app = build_whisper(WhisperSettings(max_batch_size=1), engine, Listener())
    async with running_server(app) as url, gateway_before(url, tmp_path) as client:
        engine.permits.release()
        job_id = await begin(client, recording)
        await until(lambda: len(engine.ran) == 1 and app.state.recogniser.queued_items > 1)
        cancelled = await client.delete(f"/v1/jobs/{job_id}")
        await until(lambda: app.state.recogniser.queued_items == 0)
        engine.gate.set()

    assert cancelled.json()["status"] == "cancelled"
    assert len(engine.ran) <= 2  # the window that was under way is not broken off
