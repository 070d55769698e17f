"""The README tells the truth: its example, its settings and its models."""

import json
import re
from pathlib import Path

import pytest

from services.ocr.tests.conftest import as_png, ask, draw_page
from services.ocr.weights import SERVICE_DIR
from shared.models.catalog import read_catalog

README = (Path(__file__).parents[1] / "README.md").read_text()


@pytest.mark.anyio
async def test_example_answers_as_shown(client):
    shown = json.loads(re.search(r"```json\n(.*?)```", README, re.DOTALL)[1])
    page = draw_page([((40, 40), "Flatness 0.05 mm")], size=(420, 120))

    response = await ask(client, as_png(page), words="true")

    assert_alike(response.json(), shown)


def assert_alike(got, shown, path="answer"):
    """Equal in keys, texts and whole numbers; places within 15 px; times and scores of any size."""
    if isinstance(shown, dict):
        assert got.keys() == shown.keys(), path
        for name, value in shown.items():
            if name not in ("timing_ms", "confidence"):
                assert_alike(got[name], value, f"{path}.{name}")
    elif isinstance(shown, list):
        assert len(got) == len(shown), path
        for index, value in enumerate(shown):
            assert_alike(got[index], value, f"{path}.{index}")
    elif isinstance(shown, float):
        assert got == pytest.approx(shown, abs=15), path
    else:
        assert got == shown, path


def test_every_model_of_the_catalogue_is_named():
    for entry in read_catalog(SERVICE_DIR / "models.toml"):
        assert f"`{entry.name}`" in README
