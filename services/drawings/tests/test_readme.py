import json
import re
from pathlib import Path

import pytest

from services.drawings.schemas import AnalyzeOptions
from services.drawings.tests.sheets import frame, pdf, text

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


async def test_example_answers_as_shown(service):
    shown = json.loads(re.search(r"```json\n(.*?)```", README, re.DOTALL)[1])
    sheet = text(50, 250, "25.4 \xb10.05") + text(50, 220, "\xd88 H7") + frame(150, 200, "⏥", "0.1")

    answer = await service.post("/v1/drawings/analyze", files={"file": pdf(sheet)})

    assert_holds(answer.json(), shown)


def assert_holds(got, shown, path="answer"):
    """``got`` has at least what is shown, numbers to the printed digits."""
    if isinstance(shown, dict):
        for name, value in shown.items():
            assert_holds(got[name], value, f"{path}.{name}")
    elif isinstance(shown, list):
        assert len(got) == len(shown), path
        for index, value in enumerate(shown):
            assert_holds(got[index], value, f"{path}.{index}")
    elif isinstance(shown, float):
        assert got == pytest.approx(shown), path
    else:
        assert got == shown, path


def test_every_option_is_described():
    described = set(re.findall(r"`(\w+)`", README))

    assert set(AnalyzeOptions.model_fields) <= described
