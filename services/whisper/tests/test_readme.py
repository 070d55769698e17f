"""The README says what is true."""

import json
import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text()


async def test_answer_has_the_shape_that_the_readme_shows(client, one_sentence):
    shown = json.loads(README.split("<!-- answer -->\n```json\n")[1].split("```")[0])

    answer = (
        await client.post(
            "/v1/audio/transcriptions",
            files={"file": ("hello.wav", one_sentence)},
            data={
                "response_format": "verbose_json",
                "timestamp_granularities[]": ["word", "segment"],
            },
        )
    ).json()

    assert list(answer) == list(shown)
    assert (answer["text"], answer["duration"]) == (shown["text"], shown["duration"])
    assert [list(each) for each in answer["segments"]] == [list(each) for each in shown["segments"]]
    assert [each["text"] for each in answer["segments"]] == [
        each["text"] for each in shown["segments"]
    ]
    assert [each["word"] for each in answer["words"]] == [each["word"] for each in shown["words"]]
    assert list(answer["words"][0]) == list(shown["words"][0])
    assert answer["usage"] == shown["usage"]


def test_all_files_that_the_readme_names_exist():
    names = re.findall(r"`([a-z0-9_/]+\.py)`", README)

    assert names
    assert all((Path(__file__).parents[1] / name).is_file() for name in names)
