import httpx
import pytest

from services.whisper.app import build
from services.whisper.batch import Bar, BatchOptions, find_recordings, target_of, transcribe_all
from services.whisper.engines.listener import Listener
from services.whisper.settings import WhisperSettings
from services.whisper.tests.conftest import recogniser
from shared.testing import running_app

OPTIONS = BatchOptions(retry_wait_s=0.0)


@pytest.fixture
def folder(tmp_path, one_sentence):
    (tmp_path / "day").mkdir()
    (tmp_path / "a.wav").write_bytes(one_sentence)
    (tmp_path / "day" / "b.WAV").write_bytes(one_sentence)
    (tmp_path / "notes.txt").write_text("not a recording")
    return tmp_path


async def test_each_recording_gets_its_subtitles(folder, scripted_model):
    settings = WhisperSettings(model=str(scripted_model), max_new_tokens=60)
    (folder / "broken.mp3").write_bytes(b"no audio" * 100)
    async with running_app(build(settings, recogniser(scripted_model), Listener())) as client:
        outcomes = await transcribe_all(find_recordings(folder), OPTIONS, client, Bar(3))

    assert (folder / "a.wav.srt").read_text().startswith("1\n00:00:00,")
    assert (folder / "day" / "b.WAV.srt").exists()
    assert not (folder / "broken.mp3.srt").exists()
    assert [(each.path.name, each.error[:3]) for each in outcomes] == [
        ("a.wav", ""), ("broken.mp3", "415"), ("b.WAV", ""),
    ]  # fmt: skip


def answering(*answers):
    """A client whose requests meet these answers in turn."""
    queue = list(answers)

    def answer(_request):
        each = queue.pop(0)
        if isinstance(each, Exception):
            raise each
        return each

    return httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://x"), queue


async def test_busy_and_broken_answers_are_tried_again(folder):
    busy = httpx.Response(503, headers={"retry-after": "0"}, json={"detail": "busy"})
    client, left = answering(busy, httpx.ConnectError("down"), httpx.Response(200, text="text"))

    (outcome,) = await transcribe_all([folder / "a.wav"], OPTIONS, client, Bar(1))

    assert outcome.error == ""
    assert left == []
    assert target_of(folder / "a.wav", "srt").read_text() == "text"


async def test_attempts_end(folder):
    busy = httpx.Response(503, headers={"retry-after": "0"}, json={"detail": "busy"})
    client, left = answering(*[busy] * 9)

    (outcome,) = await transcribe_all([folder / "a.wav"], OPTIONS, client, Bar(1))

    assert outcome.error == "503 busy"
    assert len(left) == 9 - OPTIONS.attempts


async def test_refused_recording_is_not_sent_again(folder):
    client, left = answering(httpx.Response(415, json={"detail": "no audio"}), None)

    (outcome,) = await transcribe_all([folder / "a.wav"], OPTIONS, client, Bar(1))

    assert outcome.error == "415 no audio"
    assert len(left) == 1
