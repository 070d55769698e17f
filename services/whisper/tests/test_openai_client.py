"""The unmodified ``openai`` client against a real server."""

import openai
import pytest

from services.whisper.app import build
from services.whisper.engines.listener import Listener
from services.whisper.settings import WhisperSettings
from services.whisper.tests import voice
from services.whisper.tests.conftest import recogniser
from shared.testing import running_server

TEXT = "Hello world. Again."


@pytest.fixture(scope="module")
async def client(scripted_model):
    settings = WhisperSettings(model=str(scripted_model), max_new_tokens=60)
    app = build(settings, recogniser(scripted_model), Listener())
    async with running_server(app) as url:
        for host in app.state.spec.hosts:
            await host.settled()
        async with openai.AsyncOpenAI(
            api_key="none", base_url=f"{url}/v1", max_retries=0
        ) as client:
            yield client


@pytest.fixture
def transcriptions(client, one_sentence):
    def create(**fields):
        return client.audio.transcriptions.create(
            file=("a.wav", one_sentence), **{"model": "whisper-1", **fields}
        )

    return create


async def test_default_answer(transcriptions):
    answer = await transcriptions()

    assert answer.text == TEXT
    assert answer.usage.seconds == 4.0


@pytest.mark.parametrize(
    ("form", "start"), [("text", TEXT), ("srt", "1\n00:00:00,"), ("vtt", "WEBVTT\n\n00:00")]
)
async def test_texts_come_as_texts(transcriptions, form, start):
    answer = await transcriptions(response_format=form)

    assert isinstance(answer, str)
    assert answer.startswith(start)


async def test_verbose_answer_with_words_and_segments(transcriptions):
    answer = await transcriptions(
        response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )

    assert (answer.language, answer.duration, answer.text) == ("english", 4.0, TEXT)
    assert [word.word for word in answer.words] == ["Hello", "world.", "Again."]
    assert [segment.text for segment in answer.segments] == [" Hello world.", " Again."]
    assert answer.segments[0].avg_logprob <= 0


async def test_logprobs_cover_the_text(transcriptions):
    answer = await transcriptions(include=["logprobs"], response_format="json")

    assert "".join(each.token for each in answer.logprobs) == " " + TEXT
    assert (
        bytes(int(byte) for each in answer.logprobs for byte in each.bytes) == f" {TEXT}".encode()
    )


async def test_events_grow_into_the_text(transcriptions):
    stream = await transcriptions(stream=True, include=["logprobs"], response_format="json")

    events = [event async for event in stream]
    assert [event.type for event in events] == ["transcript.text.delta", "transcript.text.done"]
    assert events[0].delta == events[1].text == TEXT
    assert events[0].logprobs
    assert events[1].usage.seconds == 4.0


async def test_all_options_of_the_client_are_taken(transcriptions):
    answer = await transcriptions(
        language="en", prompt="Greetings:", temperature=0.3, chunking_strategy="auto"
    )

    assert answer.text


async def test_chunking_object_is_taken(transcriptions):
    answer = await transcriptions(
        chunking_strategy={"type": "server_vad", "threshold": 0.6, "silence_duration_ms": 300}
    )

    assert answer.text == TEXT


async def test_translation(client, one_sentence):
    with pytest.warns(
        DeprecationWarning, match="deprecated"
    ):  # OpenAI ends its own service of it in 2027
        answer = await client.audio.translations.create(
            model="whisper-1", file=("a.wav", one_sentence), response_format="verbose_json"
        )

    assert (answer.language, answer.text) == ("english", TEXT)


async def test_silence_is_an_empty_text(client):
    answer = await client.audio.transcriptions.create(
        model="whisper-1",
        file=("a.wav", voice.wav(voice.silence(2))),
        response_format="verbose_json",
    )

    assert answer.text == ""
    assert answer.segments == []


async def test_unknown_model_is_not_found(transcriptions):
    with pytest.raises(openai.NotFoundError) as caught:
        await transcriptions(model="gpt-4o-transcribe")

    assert caught.value.param == "model"
    assert caught.value.code == "not_found"


async def test_diarized_answer_is_a_bad_request(transcriptions):
    with pytest.raises(openai.BadRequestError, match="speakers"):
        await transcriptions(response_format="diarized_json")


async def test_wrong_field_is_named(transcriptions):
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        await transcriptions(temperature=3)

    assert caught.value.param == "temperature"
    assert caught.value.type == "invalid_request_error"
