"""Micro models and a running service for the tests of this folder."""

import pytest

from services.whisper.app import build
from services.whisper.engines.ct2 import Recogniser
from services.whisper.engines.listener import Listener
from services.whisper.settings import WhisperSettings
from services.whisper.tests import micro_model, voice
from shared.media.pool import MediaPool
from shared.testing import running_app

SCRIPT = (
    "<|0.00|>", *micro_model.text_tokens(" Hello world."), "<|1.00|>",
    "<|1.00|>", *micro_model.text_tokens(" Again."), "<|2.00|>",
)  # fmt: skip


@pytest.fixture(scope="session")
def scripted_model(tmp_path_factory):
    """A multilingual model that always says "Hello world. Again."."""
    return micro_model.build_scripted(tmp_path_factory.mktemp("models") / "scripted", SCRIPT)


@pytest.fixture(scope="session")
def random_model(tmp_path_factory):
    """A multilingual model that says nonsense which depends on the audio."""
    return micro_model.build_random(tmp_path_factory.mktemp("models") / "random")


def recogniser(folder, **options):
    """The real engine on a model's folder, exact and on one thread."""
    return Recogniser(
        {
            "service_dir": str(folder.parent / "whisper"), "models_dir": str(folder.parent),
            "model": str(folder), "device": "cpu", "compute_type": "float32", "threads": 1,
            "beam_size": 5, "replicas": 1, "max_batch_size": 8, **options,
        }
    )  # fmt: skip


@pytest.fixture(scope="session")
def random_engine(random_model):
    """The real engine with the random model, loaded."""
    engine = recogniser(random_model)
    engine.load()
    return engine


@pytest.fixture(scope="session")
def scripted_engine(scripted_model):
    """The real engine with the scripted model, loaded."""
    engine = recogniser(scripted_model)
    engine.load()
    return engine


@pytest.fixture(scope="module")
async def client(scripted_model):
    """A client of the service with the scripted model, engines in this process."""
    settings = WhisperSettings(model=str(scripted_model), max_new_tokens=60)
    async with running_app(build(settings, recogniser(scripted_model), Listener())) as client:
        yield client


@pytest.fixture(scope="session")
async def decoder():
    """Processes that decode recordings, for services that are started for one test."""
    pool = MediaPool(2, timeout_s=60)
    yield pool
    await pool.close()


@pytest.fixture(scope="session")
def two_sentences():
    """WAV: 1 s silence, 2 s voice, 8 s silence, 2 s voice, 1 s silence."""
    return voice.wav(
        voice.silence(1), voice.speech(2), voice.silence(8), voice.speech(2, 1), voice.silence(1)
    )


@pytest.fixture(scope="session")
def one_sentence():
    """WAV: 1 s silence, 2 s voice, 1 s silence."""
    return voice.wav(voice.silence(1), voice.speech(2), voice.silence(1))
