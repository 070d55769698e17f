import json
import re

import pytest

from services.tolerance.data_files import FOLDER

README = (FOLDER / "README.md").read_text("utf-8")
# A request line such as "POST /v1/x", an optional JSON body, and the answer.
EXAMPLE = re.compile(
    r"`(GET|POST) (/v1/\S+)`\n\n```json\n(.*?)```\n(?:\nanswers\n\n```json\n(.*?)```)?", re.DOTALL
)
EXAMPLES = [match.groups() for match in EXAMPLE.finditer(README)]


def test_readme_shows_every_path():
    assert [path.partition("?")[0] for _, path, _, _ in EXAMPLES] == [
        "/v1/tolerance/predict",
        "/v1/tolerance/iso286",
        "/v1/tolerance/iso2768",
        "/v1/tolerance/catalog",
    ]


@pytest.mark.parametrize(("method", "path", "first", "second"), EXAMPLES)
async def test_example_gives_the_answer_shown(client, method, path, first, second):
    if method == "POST":
        answer = await client.post(path, json=json.loads(first))
        shown = json.loads(second)
    else:
        answer = await client.get(path)
        shown = json.loads(first)

    assert_shown(answer.json(), shown)


def assert_shown(found, shown):
    """Everything shown is in the answer; the README leaves parts of long answers out."""
    if isinstance(shown, dict):
        for name, value in shown.items():
            if name != "timing_ms":
                assert_shown(found[name], value)
    elif isinstance(shown, list):
        for value in shown:
            if not isinstance(value, dict):
                assert value in found
            else:
                assert any(_holds(each, value) for each in found), value
    elif isinstance(shown, float):
        assert found == pytest.approx(shown, rel=1e-3)
    else:
        assert found == shown


def _holds(found, shown):
    try:
        assert_shown(found, shown)
    except (AssertionError, KeyError):
        return False
    return True
