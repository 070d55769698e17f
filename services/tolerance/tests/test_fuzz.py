"""Requests made up from the OpenAPI document: whatever comes, the service never fails."""

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from services.tolerance.app import build
from services.tolerance.settings import ToleranceSettings

SCHEMA = schemathesis.openapi.from_dict(build(ToleranceSettings()).openapi())
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
OPERATIONS = [
    SCHEMA["/v1/tolerance/predict"]["POST"],
    SCHEMA["/v1/tolerance/iso286"]["GET"],
    SCHEMA["/v1/tolerance/iso2768"]["GET"],
]
# Requests that follow the document and requests that break it.
CASES = st.one_of(
    operation.as_strategy(generation_mode=mode) for operation in OPERATIONS for mode in MODES
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
    ],
)
@given(case=CASES)
async def test_no_request_makes_the_service_fail(client, case):
    request = case.as_transport_kwargs(base_url="http://service")
    request.pop("cookies")  # the service reads none, and httpx wants them on the client

    if "data" in request:
        request["content"] = request.pop("data")

    answer = await client.request(**request)

    assert answer.status_code < 500, answer.text
    if answer.status_code != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"]
