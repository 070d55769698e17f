import asyncio
import threading

import pytest

from services.tolerance.app import build
from services.tolerance.asks import Ask
from services.tolerance.settings import ToleranceSettings
from services.tolerance.tests.test_routes import PREDICT, plate
from shared.testing import running_app


class GatedEngine:
    """The real engine, whose first batch waits until the test lets it go."""

    def __init__(self, engine):
        self._engine = engine
        self.started = threading.Event()
        self.gate = threading.Event()
        self.batches = []

    def load(self):
        return self._engine.load()

    def warm_up(self):
        self._engine.warm_up()

    def run(self, key, payloads):
        self.batches.append((key, len(payloads)))
        self.started.set()
        assert self.gate.wait(timeout=30)
        return self._engine.run(key, payloads)

    def close(self):
        pass


@pytest.fixture
def gated(engine):
    return GatedEngine(engine)


async def test_rows_of_all_clients_share_batches_and_keep_their_answers(gated, client):
    lengths = [5 + 3 * index for index in range(20)]
    bodies = [{"parts": [plate(dimensions_mm={"length": length})]} for length in lengths]
    app = build(ToleranceSettings(inline_below_ms=0), engine=gated)
    host = app.state.tolerance.host

    async with running_app(app) as shared_client:
        requests = [asyncio.ensure_future(shared_client.post(PREDICT, json=bodies[0]))]
        await asyncio.to_thread(gated.started.wait)
        requests += [
            asyncio.ensure_future(shared_client.post(PREDICT, json=body)) for body in bodies[1:]
        ]
        for _ in range(10_000):  # turns of the loop, not time
            if host.queued_items == len(bodies) - 1:
                break
            await asyncio.sleep(0)
        gated.gate.set()
        together = [(await request).json()["results"] for request in requests]

    alone = [(await client.post(PREDICT, json=body)).json()["results"] for body in bodies]
    assert gated.batches == [(Ask.LOG_VALUES, 1), (Ask.LOG_VALUES, 19)]
    assert together == alone


async def test_explanations_run_apart_and_a_few_rows_at_a_time(gated):
    gated.gate.set()
    parts = [plate(dimensions_mm={"length": 10 + index}) for index in range(70)]

    async with running_app(build(ToleranceSettings(), engine=gated)) as client:
        answer = await client.post(PREDICT, json={"parts": parts, "explain": True})

    assert answer.status_code == 200
    assert gated.batches == [(Ask.LOG_VALUES, 1)] + [(Ask.CONTRIBUTIONS, 1)] * 3


async def test_answer_tells_its_timings(client):
    answer = await client.post(PREDICT, json={"parts": [plate()]})

    assert list(answer.json()["timing_ms"]) == ["queue", "preprocess", "inference", "postprocess"]
    for step in ("queue", "preprocess", "inference", "postprocess"):
        assert f"{step};dur=" in answer.headers["server-timing"]
