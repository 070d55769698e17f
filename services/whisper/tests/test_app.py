"""How the service is put together: what happens when a device fails."""

import asyncio

from services.whisper.app import build
from services.whisper.engines.listener import Listener
from services.whisper.settings import WhisperSettings
from services.whisper.tests.gated_engine import GatedEngine
from shared.gpu.device import DeviceUnavailable
from shared.testing import running_app

PATH = "/v1/audio/transcriptions"


class BrokenGpu(GatedEngine):
    """A GPU whose driver fails whenever the model is loaded."""

    def load(self):
        raise DeviceUnavailable("CUDA driver version is insufficient")


async def test_speech_goes_on_on_the_cpu_when_the_gpu_fails(one_sentence):
    working = GatedEngine(window_s=30)
    working.gate.set()
    app = build(WhisperSettings(), BrokenGpu(), Listener(), cpu_engine=working)
    async with running_app(app) as client:
        while not app.state.recogniser.is_ready:  # noqa: ASYNC110 - as a probe does
            await asyncio.sleep(0.05)
        answer = await client.post(PATH, files={"file": ("a.wav", one_sentence)})
        ready = (await client.get("/readyz")).json()
        metrics = (await client.get("/metrics")).text

    assert answer.json()["text"] == "one"
    assert ready["engines"][0]["phase"] == "degraded"
    assert "CUDA driver" in ready["engines"][0]["reason"]
    assert 'gantry_cpu_fallback{batcher="recognise"} 1.0' in metrics
