"""Real recordings and damaged files: what the manifest of the test data says of each."""

import pytest

from services.whisper.app import build
from services.whisper.engines.listener import Listener
from services.whisper.settings import WhisperSettings
from services.whisper.tests.conftest import recogniser
from shared.testing import running_app

pytestmark = pytest.mark.data

SILENT = (
    "malformed/8k-4ch-1s-silence.aif", "malformed/silence-2s-PCM-16000-08-ID3v23.wav",
    "malformed/silence-2s-PCM-44100-16-ID3v23.wav", "malformed/silence-44-s.flac",
    "malformed/header_only.wav", "speech/nospeech_empty.mp3", "speech/nospeech_empty.wav",
    "speech/noise1.wav",
)  # fmt: skip
SPOKEN = (
    "malformed/audio_only.mp4", "speech/bonjour.wav", "speech/conversation_2spk.wav",
    "speech/four_channel.flac", "speech/hotwords.mp3", "speech/jfk.flac",
    "speech/multilingual.mp3", "speech/sonnet_p001.mp3", "speech/ko/sub100100a00020.wav",
)  # fmt: skip
READABLE = ("malformed/alac.m4a", "malformed/bad-TYER-frame.mp3", "malformed/example.opus")


@pytest.fixture(scope="module")
async def client(scripted_model):
    settings = WhisperSettings(model=str(scripted_model), max_new_tokens=60)
    async with running_app(build(settings, recogniser(scripted_model), Listener())) as client:
        yield client


async def post(client, path, **fields):
    return await client.post(
        "/v1/audio/transcriptions",
        files={"file": (path.name, path.read_bytes())},
        data={"response_format": "verbose_json", **fields},
    )


@pytest.mark.parametrize("name", SILENT)
async def test_nothing_is_written_where_nobody_speaks(client, test_data, name):
    answer = await post(client, test_data / name)

    assert answer.status_code == 200, answer.text
    assert answer.json()["text"] == ""


@pytest.mark.parametrize("name", SPOKEN)
async def test_speech_is_found_in_any_container(client, test_data, name):
    answer = await post(client, test_data / name)

    assert answer.status_code == 200, answer.text
    assert answer.json()["segments"]


@pytest.mark.parametrize("name", READABLE)
async def test_readable_audio_is_accepted(client, test_data, name):
    assert (await post(client, test_data / name)).status_code == 200


async def test_every_damaged_file_is_answered_for_what_it_is(client, test_data):
    known = {*SILENT, *SPOKEN, *READABLE, "malformed/bad-xing.mp3"}
    others = [
        path
        for path in sorted((test_data / "malformed").iterdir())
        if f"malformed/{path.name}" not in known
    ]

    statuses = {path.name: (await post(client, path)).status_code for path in others}

    assert others
    assert {name: status for name, status in statuses.items() if status != 415} == {}


async def test_long_recording_is_cut_into_windows_at_pauses(client, test_data):
    answer = (await post(client, test_data / "speech/columbia.wma")).json()

    seeks = sorted({segment["seek"] for segment in answer["segments"]})
    assert answer["duration"] == pytest.approx(198.8, abs=0.2)
    assert len(seeks) >= 7
    assert all(later - earlier > 100 for earlier, later in zip(seeks, seeks[1:], strict=False))
