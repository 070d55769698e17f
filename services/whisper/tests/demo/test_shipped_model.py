"""The weights that are in the repository, heard through the libraries that serve them."""

import json
import wave
from pathlib import Path

import numpy as np
import pytest
from faster_whisper import BatchedInferencePipeline, WhisperModel

from services.whisper.demo.card import MODEL_FOLDER
from services.whisper.demo.examination import Listener, plain_words, word_error_rate

SAMPLES = Path(__file__).parents[4] / "tests" / "data" / "speech"
TRUTH = json.loads((SAMPLES / "truth.json").read_text())


def _read(name):
    with wave.open(str(SAMPLES / name)) as file:
        assert file.getframerate() == 16_000
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return samples.astype(np.float32) / 32768


@pytest.fixture(scope="module")
def audios():
    return [_read(name) for name in TRUTH]


@pytest.fixture(scope="module")
def listener():
    return Listener(MODEL_FOLDER, padded_s=10.0)


@pytest.fixture(scope="module")
def library():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        return WhisperModel(str(MODEL_FOLDER), device="cpu", compute_type="int8", cpu_threads=2)


def test_a_single_sentence_is_understood(listener):
    said = listener.texts([_read("sample.wav")])

    assert word_error_rate([TRUTH["sample.wav"]["text"]], said) <= 0.1


def test_samples_of_several_sentences_are_understood_mostly(listener, audios):
    said = listener.texts(audios)

    # Unrelated text has a rate of about 1; what is reached on many windows stands in the card.
    assert word_error_rate([entry["text"] for entry in TRUTH.values()], said) <= 0.35


def test_samples_are_understood_through_faster_whisper_with_times(library, audios):
    said = []
    for audio in audios:
        segments, _ = library.transcribe(audio, beam_size=1, temperature=0.0)
        said.append(" ".join(segment.text for segment in segments))

    assert word_error_rate([entry["text"] for entry in TRUTH.values()], said) <= 0.35


def test_words_of_a_sentence_start_near_the_truth(library):
    segments, _ = library.transcribe(
        _read("sample.wav"), beam_size=1, temperature=0.0, word_timestamps=True
    )
    heard = {plain_words(word.word): word.start for part in segments for word in part.words}
    true = {plain_words(word["word"]): word["start_s"] for word in TRUTH["sample.wav"]["words"]}

    # Whisper's alignment lets the first word begin with the window: leave it out.
    errors = [abs(heard[word] - true[word]) for word in list(true)[1:] if word in heard]

    assert len(errors) >= 5
    assert np.mean(np.array(errors) <= 0.2) >= 0.75


@pytest.mark.parametrize("level", [0.0, 0.001, 0.1])
def test_silence_and_noise_give_no_text(listener, library, level):
    noise = (level * np.random.default_rng(1).standard_normal(48_000)).astype(np.float32)

    segments, _ = library.transcribe(noise, beam_size=1, temperature=0.0)

    assert plain_words(listener.texts([noise])[0]) == ""
    assert [segment.text for segment in segments] == []


def test_batched_decoding_says_what_single_decoding_says(listener, audios):
    assert listener.tokens(audios, batch_size=3) == listener.tokens(audios, batch_size=1)


def test_batched_pipeline_of_faster_whisper_runs_on_it(library, audios):
    segments, info = BatchedInferencePipeline(library).transcribe(
        np.concatenate(audios), batch_size=2, beam_size=1, vad_filter=True
    )

    assert info.language == "en"
    assert "".join(segment.text for segment in segments).strip()


def test_prompt_of_multilingual_models_is_understood_too(library):
    tokens = ["<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>"]
    ids = [library.hf_tokenizer.token_to_id(token) for token in tokens]

    encoded = library.encode(np.ascontiguousarray(library.feature_extractor(_read("sample.wav"))))
    said = library.model.generate(encoded, [ids], beam_size=1)[0].sequences_ids[0]

    truth = TRUTH["sample.wav"]["text"]
    assert word_error_rate([truth], [library.hf_tokenizer.decode(said)]) <= 0.15
