"""Options made up at random, in and out of range: whatever comes, the service never fails."""

import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from services.ocr.app import OcrEngines, build
from services.ocr.schemas import OcrOptions
from services.ocr.settings import OcrSettings
from services.ocr.tests.conftest import as_png, box
from services.ocr.tests.scripted_engines import Detector, Recogniser, says
from shared.testing import running_app

pytestmark = pytest.mark.anyio

NUMBERS = st.one_of(
    st.integers(-3, 5000), st.floats(-2, 2), st.sampled_from(["nan", "inf", "1e999", "0x10", "-0"])
)
WORDS = st.sampled_from(
    ["true", "off", "en", "ko,en", "1-3,7", "5-", "3-1", "hocr", "text", "", ","]
)
NAMES = st.sampled_from([*OcrOptions.model_fields, "languages[]", "colour"])


def document():
    sheets = [Image.new("RGB", (120, 90), "white") for _ in range(3)]
    file = io.BytesIO()
    sheets[0].save(file, "PDF", save_all=True, append_images=sheets[1:])
    return file.getvalue()


DOCUMENTS = (as_png(Image.new("RGB", (150, 80), "white")), document())


@pytest.fixture(scope="module")
async def scripted():
    """The service around engines that find and read the same two lines on every page."""
    found = Detector(box(0, 0, 90, 30), box(0, 40, 30, 30))
    engines = OcrEngines(found, Recogniser(lambda *_: says("2x R5")))
    async with running_app(
        build(OcrSettings(device="cpu", max_pixels=4_000_000), engines)
    ) as client:
        yield client


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    options=st.dictionaries(NAMES, st.one_of(NUMBERS, WORDS, st.text()), max_size=5),
    content=st.sampled_from(DOCUMENTS),
    is_form=st.booleans(),
)
async def test_no_options_make_the_service_fail(scripted, options, content, is_form):
    texts = {name: str(value).encode("utf-8", "ignore").decode() for name, value in options.items()}
    body = {"files": {"file": content}, "data": texts} if is_form else {"content": content}

    answer = await scripted.post("/v1/ocr", **body, params=None if is_form else texts)

    assert answer.status_code in (200, 413, 422), answer.text
    if answer.status_code != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"]
