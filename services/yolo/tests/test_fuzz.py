"""Options made up at random, in and out of range: whatever comes, the service never fails."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.yolo.schemas import DetectOptions
from services.yolo.tests.conftest import as_png
from services.yolo.tests.grid_model import paint_cells

PICTURE = as_png(paint_cells(160, 96, {(1, 1): "red", (3, 0): "blue"}))
NUMBERS = st.one_of(
    st.integers(-3, 5000), st.floats(-2, 2), st.sampled_from(["nan", "inf", "1e999", "0x10", "-0"])
)
VALUES = st.one_of(
    NUMBERS, st.sampled_from(["red", "blue,green", "", ",", "[]", "auto"]), st.text()
)
NAMES = st.sampled_from([*DetectOptions.model_fields, "classes[]", "colour"])


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    options=st.dictionaries(NAMES, VALUES, max_size=5),
    accept=st.sampled_from(["*/*", "image/png", "image/jpeg;q=x", "text/html", "\t;,"]),
    is_form=st.booleans(),
)
async def test_no_options_make_the_service_fail(service, options, accept, is_form):
    texts = {name: str(value).encode("utf-8", "ignore").decode() for name, value in options.items()}
    body = {"files": {"file": PICTURE}, "data": texts} if is_form else {"content": PICTURE}

    answer = await service.post(
        "/v1/detect", **body, params=None if is_form else texts, headers={"accept": accept}
    )

    assert answer.status_code in (200, 404, 413, 422), answer.text
    if answer.status_code != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"]
