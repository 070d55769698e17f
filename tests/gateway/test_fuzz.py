"""Requests made up from the OpenAPI documents: whatever comes, neither listener fails."""

from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from gateway.admin import build_admin
from gateway.control_plane import build_control_plane
from gateway.parts import make_parts
from gateway.settings import GatewaySettings
from tests.gateway.upstream import Upstream

PARTS = make_parts(GatewaySettings(state_dir=Path("unused")))
SKIPPED = {
    ("/admin/services/{name}/replicas", "POST"),  # would have the gateway probe made-up hosts
    ("/admin/services/{name}/{action}", "POST"),  # calls the services
}
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


def cases(app):
    document = app.openapi()
    schema = schemathesis.openapi.from_dict(document)
    return st.one_of(
        schema[path][method.upper()].as_strategy(generation_mode=mode)
        for path, methods in document["paths"].items()
        for method in methods
        if (path, method.upper()) not in SKIPPED
        for mode in MODES
    )


relaxed = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
    ],
)


@pytest.fixture
async def clients(gateway_over, admin_over):
    async with (
        gateway_over(Upstream()) as (gateway, public, _urls),
        admin_over(gateway) as admin,
    ):
        yield public, admin


async def check(client, case):
    request = case.as_transport_kwargs(base_url=str(client.base_url))
    request.pop("cookies")
    if "data" in request:
        request["content"] = request.pop("data")

    answer = await client.request(**request)

    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"]


@relaxed
@given(case=cases(build_control_plane(PARTS, "1")))
async def test_no_request_makes_the_public_listener_fail(clients, case):
    await check(clients[0], case)


@relaxed
@given(case=cases(build_admin(PARTS)))
async def test_no_request_makes_the_admin_listener_fail(clients, case):
    await check(clients[1], case)
