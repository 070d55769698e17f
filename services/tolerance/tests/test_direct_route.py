"""The direct and the documented route must not differ in anything but speed."""

import asyncio
import gc
import json

import httpx
import pytest

from services.tolerance.app import build
from services.tolerance.direct_route import DirectPredict
from services.tolerance.settings import ToleranceSettings
from services.tolerance.tests.test_fast_route import BODIES, RAW_BODIES, comparable
from services.tolerance.tests.test_routes import PREDICT, plate
from shared.direct import DirectCall
from shared.testing import running_server

JSON_TYPE = {"content-type": "application/json", "x-request-id": "same"}
CONTENTS = [*(json.dumps(body).encode() for body in BODIES), *RAW_BODIES]


class Counted:
    """A direct route that counts what it takes."""

    def __init__(self, route):
        self._route, self.taken = route, 0

    def start(self, body, call):
        is_taken = self._route.start(body, call)
        self.taken += is_taken
        return is_taken


@pytest.fixture(scope="module")
async def served():
    """The service on a real port: a client, and its counted direct route."""
    app = build(ToleranceSettings())
    path = app.direct.find(PREDICT.encode())
    path.route = counted = Counted(path.route)
    async with running_server(app) as url, httpx.AsyncClient(base_url=url) as client:
        await app.state.tolerance.host.settled()
        yield client, counted


@pytest.mark.parametrize("content", CONTENTS, ids=lambda body: repr(body)[:50])
async def test_direct_and_documented_route_give_one_answer(served, documented_client, content):
    client, _ = served

    direct = await client.post(PREDICT, content=content, headers=JSON_TYPE)
    documented = await documented_client.post(PREDICT, content=content, headers=JSON_TYPE)

    assert comparable(direct) == comparable(documented)
    assert set(direct.headers) - {"date", "server"} == set(documented.headers)
    if direct.status_code == 200:
        assert list(direct.json()["timing_ms"]) == list(documented.json()["timing_ms"])


async def test_valid_request_is_answered_directly_and_one_to_be_explained_is_not(served):
    client, counted = served
    before = counted.taken

    await client.post(PREDICT, json={"parts": [plate()]})
    await client.post(PREDICT, json={"parts": [plate()], "explain": True})
    await client.post(PREDICT, json={"parts": [plate(material="x")]})

    assert counted.taken == before + 1


async def test_answers_of_many_clients_are_not_mixed_up(served):
    client, _ = served
    bodies = [{"parts": [plate(id=str(n), dimensions_mm={"length": 5 + n})]} for n in range(60)]

    together = await asyncio.gather(*(client.post(PREDICT, json=body) for body in bodies))

    for body, answer in zip(bodies, together, strict=True):
        alone = await client.post(PREDICT, json=body)
        assert answer.json()["results"] == alone.json()["results"]


def test_comparison_without_optimisations_leaves_the_fast_routes_out():
    app = build(ToleranceSettings(optimized=False))

    assert app.direct.find(PREDICT.encode()) is None
    assert isinstance(build(ToleranceSettings()).direct.find(PREDICT.encode()).route, DirectPredict)


async def test_answered_requests_are_freed_without_the_collector(served):
    client, _ = served
    gc.collect()
    gc.disable()
    try:
        before = calls_in_memory()
        for _ in range(10):
            await client.post(PREDICT, json={"parts": [plate()]})
        after = calls_in_memory()
    finally:
        gc.enable()

    assert after <= before + 1  # a connection keeps its last one


def calls_in_memory():
    return sum(type(each) is DirectCall for each in gc.get_objects())
