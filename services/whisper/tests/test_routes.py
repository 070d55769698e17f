import json
import re

import httpx
import psutil
import pytest

from services.whisper.app import build
from services.whisper.engines.listener import Listener
from services.whisper.settings import WhisperSettings
from services.whisper.tests import micro_model, voice
from services.whisper.tests.conftest import recogniser
from shared.testing import running_app, running_server

TOKEN = "a-token-of-enough-characters"
PATH = "/v1/audio/transcriptions"


async def post(client, audio, path=PATH, **fields):
    return await client.post(path, files={"file": ("a.wav", audio)}, data=fields)


async def test_json_holds_text_and_usage(client, one_sentence):
    answer = await post(client, one_sentence, model="whisper-1")

    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "text": "Hello world. Again.",
        "usage": {"type": "duration", "seconds": 4.0},
    }
    assert answer.headers["x-model"] == "scripted"
    assert answer.headers["x-device"] == "cpu"
    assert "inference;dur=" in answer.headers["server-timing"]


async def test_text_is_plain(client, one_sentence):
    answer = await post(client, one_sentence, response_format="text")

    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == "Hello world. Again.\n"


async def test_segments_stand_where_the_voice_is(client, two_sentences):
    answer = (await post(client, two_sentences, response_format="verbose_json")).json()

    starts = [segment["start"] for segment in answer["segments"]]
    assert answer["task"] == "transcribe"
    assert answer["language"] == "english"
    assert answer["duration"] == 14.0
    assert answer["text"] == "Hello world. Again. Hello world. Again."
    assert [segment["id"] for segment in answer["segments"]] == [0, 1, 2, 3]
    # Windows begin up to 0.4 s before the voice, which is heard at 1 s and 11 s.
    assert starts[0] == pytest.approx(0.7, abs=0.3)
    assert starts[1] == pytest.approx(starts[0] + 1, abs=1e-3)
    assert starts[2] == pytest.approx(10.7, abs=0.3)
    assert answer["segments"][2]["seek"] == round(100 * starts[2])
    assert answer["segments"][0]["quality"] == {
        "attempts": 1, "has_loop": False, "dropped_words": 0,
    }  # fmt: skip
    assert "words" not in answer


async def test_words_have_times_in_order(client, two_sentences):
    answer = await post(
        client,
        two_sentences,
        response_format="verbose_json",
        **{"timestamp_granularities[]": ["word", "segment"]},
    )

    words = answer.json()["words"]
    assert [word["word"] for word in words] == ["Hello", "world.", "Again."] * 2
    times = [time for word in words for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert words[3]["start"] > 10
    assert answer.json()["segments"]


async def test_plain_names_of_lists_are_understood(client, one_sentence):
    answer = await post(
        client, one_sentence, response_format="verbose_json", timestamp_granularities="word"
    )

    assert [word["word"] for word in answer.json()["words"]] == ["Hello", "world.", "Again."]
    assert "segments" not in answer.json()


async def test_srt_is_numbered(client, one_sentence):
    answer = await post(client, one_sentence, response_format="srt")

    assert re.fullmatch(
        r"1\n00:00:00,\d{3} --> 00:00:01,\d{3}\nHello world\.\n\n"
        r"2\n00:00:01,\d{3} --> 00:00:02,\d{3}\nAgain\.\n\n",
        answer.text,
    )


async def test_vtt_has_its_header(client, one_sentence):
    answer = await post(client, one_sentence, response_format="vtt")

    assert answer.headers["content-type"].startswith("text/vtt")
    assert answer.text.startswith("WEBVTT\n\n00:00:00.")


async def test_silence_is_an_empty_text(client):
    audio = voice.wav(voice.silence(3))

    plain = await post(client, audio)
    verbose = await post(client, audio, response_format="verbose_json")

    assert (plain.status_code, plain.json()["text"]) == (200, "")
    assert plain.headers["x-model"] == "scripted"
    assert verbose.json()["segments"] == []
    assert verbose.json()["language"] is None


async def test_without_vad_silence_is_listened_to(client):
    answer = await post(client, voice.wav(voice.silence(3)), vad="false")

    assert answer.json()["text"] == "Hello world. Again."


async def test_raw_body_takes_options_from_the_query(client, one_sentence):
    answer = await client.post(
        PATH + "?response_format=text", content=one_sentence, headers={"content-type": "audio/wav"}
    )

    assert answer.text == "Hello world. Again.\n"


async def test_language_may_be_a_name(client, one_sentence):
    answer = await post(client, one_sentence, response_format="verbose_json", language="Korean")

    assert answer.json()["language"] == "korean"


@pytest.mark.parametrize(
    ("fields", "status", "loc"),
    [
        ({"model": "large-v9"}, 404, "model"),
        ({"language": "klingon"}, 422, "language"),
        ({"language": "fr"}, 422, "language"),
        ({"temperature": "1.5"}, 422, "temperature"),
        ({"response_format": "xml"}, 422, "response_format"),
        ({"timestamp_granularities[]": "letter"}, 422, "timestamp_granularities.0"),
        ({"include[]": "logprobs", "response_format": "text"}, 422, "include"),
        ({"beam_size": "0"}, 422, "beam_size"),
        ({"diarize": "true"}, 400, "diarize"),
        ({"response_format": "diarized_json"}, 400, "response_format"),
    ],
)
async def test_wrong_field_is_named(client, one_sentence, fields, status, loc):
    answer = await post(client, one_sentence, **fields)

    assert answer.status_code == status, answer.text
    assert answer.json()["errors"][0]["loc"] == loc
    assert answer.json()["error"]["param"] == loc


async def test_words_without_verbose_json_are_refused(client, one_sentence):
    answer = await post(client, one_sentence, timestamp_granularities="word")

    told = "times of words need response_format=verbose_json"
    assert answer.status_code == 422
    assert answer.json()["detail"] == f"timestamp_granularities: {told}"


async def test_request_without_file_names_it(client):
    answer = await client.post(PATH, files={"model": (None, "whisper-1")})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == "file"


async def test_text_file_is_not_audio(client):
    answer = await post(client, b"hello, I am no recording\n" * 50)

    assert answer.status_code == 415


async def test_long_audio_is_refused(scripted_model):
    settings = WhisperSettings(model=str(scripted_model), max_audio_s=2)
    async with running_app(build(settings, recogniser(scripted_model), Listener())) as client:
        answer = await post(client, voice.wav(voice.silence(3)))

    assert answer.status_code == 413
    assert "2 s" in answer.json()["detail"]


async def test_too_many_channels_and_bytes_are_refused(scripted_model):
    settings = WhisperSettings(model=str(scripted_model), max_channels=2, max_body_bytes=50_000)
    six_channels = voice.wav(voice.silence(0.2), n_channels=6)
    async with running_app(build(settings, recogniser(scripted_model), Listener())) as client:
        wide = await post(client, six_channels)
        large = await post(client, voice.wav(voice.silence(3)))

    assert (wide.status_code, large.status_code) == (413, 413)
    assert "6 channels; the limit is 2" in wide.json()["detail"]
    assert "50000 bytes" in large.json()["detail"]


async def test_missing_model_is_one_sentence(tmp_path):
    settings = WhisperSettings(model="small", models_dir=tmp_path, device="cpu")
    async with running_app(build(settings, listener=Listener())) as client:
        answer = await post(client, b"x")
        ready = await client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["code"] == "model_missing"
    assert "make models MODEL=whisper/small" in answer.json()["detail"]
    assert ready.status_code == 503


async def test_translation_names_english(client, one_sentence):
    answer = await post(
        client, one_sentence, "/v1/audio/translations", response_format="verbose_json"
    )

    assert answer.json()["task"] == "translate"
    assert answer.json()["language"] == "english"


async def test_english_only_model_does_not_translate(tmp_path, one_sentence):
    folder = micro_model.build_scripted(
        tmp_path / "english", micro_model.text_tokens(" Yes."), multilingual=False
    )
    settings = WhisperSettings(model=str(folder))
    async with running_app(build(settings, recogniser(folder), Listener())) as client:
        refused = await post(client, one_sentence, "/v1/audio/translations")
        answer = await post(client, one_sentence)

    assert refused.status_code == 400
    assert answer.json()["text"] == "Yes."


async def test_real_processes_answer_stream_and_are_unloaded(scripted_model, two_sentences):
    settings = WhisperSettings(
        model=str(scripted_model), device="cpu", max_new_tokens=60, cache_memory_bytes=0,
        max_batch_size=8, internal_token=TOKEN,
    )  # fmt: skip
    app = build(settings)
    headers = {"X-Internal-Token": TOKEN}
    async with running_server(app) as url, httpx.AsyncClient(
        base_url=url, headers=headers, timeout=30
    ) as client:  # fmt: skip
        for host in app.state.spec.hosts:
            await host.settled()
        plain = await post(client, two_sentences)
        events = await post(client, two_sentences, stream="true")
        loaded = engine_processes()
        await client.post("/admin/unload")
        unloaded, refused = engine_processes(), await post(client, two_sentences)
        await client.post("/admin/preload")
        again = await post(client, two_sentences)

    sent = [json.loads(line[6:]) for line in events.text.split("\n\n") if line]
    assert plain.json()["text"] == "Hello world. Again. Hello world. Again."
    assert events.headers["content-type"].startswith("text/event-stream")
    assert [event["type"] for event in sent] == [
        "transcript.text.delta", "transcript.text.delta", "transcript.text.done",
    ]  # fmt: skip
    assert "".join(event["delta"] for event in sent[:2]) == sent[2]["text"] == plain.json()["text"]
    assert sent[2]["usage"] == {"type": "duration", "seconds": 14.0}
    assert sent[2]["timing_ms"]["inference"] > 0
    assert (len(loaded), len(unloaded)) == (2, 0)  # memory is given back with the process
    assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")
    assert again.json() == plain.json()


def engine_processes():
    """Recogniser and listener, as the system knows them; decoders start only with work."""
    return [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and is_engine(child)
    ]


def is_engine(process):
    """Whether a child has an inference library loaded, which decoders have not."""
    return any("ctranslate2" in each.path for each in process.memory_maps())


async def test_text_in_a_loop_is_tried_again_and_reported(tmp_path, one_sentence):
    folder = micro_model.build_scripted(tmp_path / "loop", micro_model.text_tokens(" la" * 10))
    settings = WhisperSettings(model=str(folder), device="cpu", max_new_tokens=40)
    async with running_app(build(settings)) as client:
        answer = await post(client, one_sentence, response_format="verbose_json", language="en")

    (segment,) = answer.json()["segments"]
    # Once greedily, once with repeats forbidden, then at five temperatures.
    assert segment["quality"] == {"attempts": 7, "has_loop": True, "dropped_words": 0}
    assert answer.json()["quality"] == {
        "windows": 1, "fallbacks": 6, "loops": 1, "silent_windows": 0, "dropped_words": 0,
    }  # fmt: skip
