"""The fast and the documented route must not differ in anything but speed."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.tolerance.tests.test_routes import PREDICT, plate

JSON_TYPE = {"content-type": "application/json", "x-request-id": "same"}

HOLE = plate(
    feature="hole",
    process="reaming",
    dimensions_mm={"diameter": 8, "depth": 20, "location_x": 30.5},
    characteristics=["position", "cylindricity"],
    spec_mm={"position": 0.05},
)
BODIES = [
    {"parts": [plate()]},
    {"parts": [plate(id="a", spec_mm=0.05), HOLE], "cpk_target": 1.67, "confidence_level": 0.5},
    {"parts": [plate(), HOLE], "explain": True},
    {"parts": [plate(dimensions_mm={"length": 3000, "thickness": 1})]},
    {"parts": [plate(material="x")]},
    {"parts": [plate(colour="red")]},
    {"parts": []},
    {"parts": [plate(spec_mm="0.1")]},
    {"parts": [plate(spec_mm=None, id=None)]},
    {"parts": [plate(id=7)]},
    {"parts": [plate()], "explain": 1},
    {"part": [plate()]},
    [],
    "text",
    None,
]
RAW_BODIES = [
    b"",
    b"{",
    b"\xff\xfe",
    b'{"parts":[' + b"[" * 5000,
    b'{"parts": NaN}',
    b'{"parts":[],"parts":[]}',
    b'{"\\ud800": 1, "parts": []}',
    json.dumps({"parts": [plate(id="\ud800")]}).encode(),
    json.dumps({"parts": [plate(material="\ud800")]}).encode(),
    json.dumps({"parts": [plate(dimensions_mm={"length": 10**400})]}).encode(),
]


async def both(client, documented_client, **request):
    fast = await client.post(PREDICT, **request)
    documented = await documented_client.post(PREDICT, **request)
    return fast, documented


def comparable(answer):
    body = answer.json()
    if isinstance(body, dict):
        body.pop("timing_ms", None)
    return answer.status_code, answer.headers["content-type"], body


@pytest.mark.parametrize("body", BODIES, ids=lambda body: json.dumps(body)[:60])
async def test_both_routes_give_one_answer(client, documented_client, body):
    fast, documented = await both(client, documented_client, json=body, headers=JSON_TYPE)

    assert comparable(fast) == comparable(documented)
    assert fast.status_code < 500


@pytest.mark.parametrize("content", RAW_BODIES, ids=lambda body: repr(body)[:40])
async def test_both_routes_refuse_malformed_bodies_alike(client, documented_client, content):
    fast, documented = await both(client, documented_client, content=content, headers=JSON_TYPE)

    assert comparable(fast) == comparable(documented)
    assert 400 <= fast.status_code < 500


@pytest.mark.parametrize("kind", ["text/plain", "application/json; charset=utf-8", "x", ""])
async def test_both_routes_judge_the_content_type_alike(client, documented_client, kind):
    headers = {"content-type": kind, "x-request-id": "same"}
    content = json.dumps({"parts": [plate()]})

    fast, documented = await both(client, documented_client, content=content, headers=headers)

    assert comparable(fast) == comparable(documented)


NUMBERS = st.one_of(
    st.floats(), st.integers(-10, 5000), st.booleans(), st.none(), st.text(max_size=3)
)
PARTS = st.fixed_dictionaries(
    {
        "material": st.sampled_from(["al_6061", "pom", "x", 3]),
        "process": st.sampled_from(["milling", "turning", "drilling", "x", None]),
        "feature": st.sampled_from(["plane", "cylinder", "hole", "pattern", "x"]),
        "dimensions_mm": st.dictionaries(
            st.sampled_from(["length", "diameter", "depth", "thickness", "location_x", "radius"]),
            NUMBERS,
        ),
        "characteristics": st.lists(
            st.sampled_from(["flatness", "cylindricity", "position", "x"]), max_size=3
        ),
    },
    optional={"spec_mm": NUMBERS | st.dictionaries(st.text(max_size=5), NUMBERS), "id": NUMBERS},
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=st.fixed_dictionaries({"parts": st.lists(PARTS, max_size=3)}))
async def test_both_routes_agree_on_any_part(client, documented_client, body):
    content = json.dumps(body)

    fast, documented = await both(client, documented_client, content=content, headers=JSON_TYPE)

    assert comparable(fast) == comparable(documented)
    assert fast.status_code in (200, 422)
