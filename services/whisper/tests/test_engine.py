"""The real engine on micro models: what shares a batch must not matter."""

import random
from dataclasses import replace

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor

from services.whisper.engines.listener import log_mel
from services.whisper.tasks import DecodeOptions, WindowTask
from services.whisper.tests import micro_model, voice
from services.whisper.tests.conftest import recogniser
from shared.errors import EngineError, ModelMissing

GREEDY = DecodeOptions(beam_size=1, max_new_tokens=16)
N_MIXES = 12


@pytest.fixture(scope="module")
def tasks():
    """Windows that differ in sound, length, language, task, prompt and what is wanted."""
    sounds = [voice.speech(seconds, seed) for seed, seconds in enumerate((0.5, 1, 2, 4, 9, 29))]
    windows = [
        WindowTask(log_mel(sound, n_mels=80), len(sound) / 16_000, language=language)
        for sound, language in zip(sounds, ("en", "ko", None, "de", None, "en"), strict=True)
    ]
    return [
        windows[0],
        replace(windows[1], has_words=True),
        windows[2],
        replace(windows[3], task="translate", has_words=True),
        replace(windows[4], prompt="some text before", has_words=True),
        replace(windows[0], prompt="other text befor", hotwords="ho"),
        replace(windows[5], prompt="x"),
        replace(windows[5], languages=("ko", "de"), language=None),
    ]


def plain(result):
    """A result as the client would see it; likelihoods to what float32 sums may differ by."""
    words = [(word.text, word.start_s, word.end_s, word.segment) for word in result.words]
    return (
        result.segments, words, result.language, result.is_loop,
        round(result.avg_logprob, 3), round(result.no_speech_prob, 3),
    )  # fmt: skip


def test_features_are_those_of_the_sound_alone():
    sound = voice.speech(5)

    features = log_mel(sound, n_mels=80)

    assert features.shape == (80, 500)  # one frame for each 10 ms, none for filling
    np.testing.assert_array_equal(features, FeatureExtractor()(sound)[:, :500])


@pytest.fixture(scope="module")
def replicated_engine(random_model):
    """The same model as the random engine's, in two replicas."""
    engine = recogniser(random_model, threads=2, replicas=2)
    engine.load()
    yield engine
    engine.close()


@pytest.mark.parametrize("shared_by", ["one replica", "two replicas"])
def test_text_does_not_depend_on_who_shares_the_batch(
    random_engine, replicated_engine, tasks, shared_by
):
    engine = random_engine if shared_by == "one replica" else replicated_engine
    alone = [plain(random_engine.run(GREEDY, [task])[0]) for task in tasks]
    assert len({str(each[0]) for each in alone}) == len(tasks)  # the texts do depend on the task

    for seed in range(N_MIXES):
        mix = random.Random(seed).choices(range(len(tasks)), k=1 + seed % 8)
        together = engine.run(GREEDY, [tasks[index] for index in mix])

        assert [plain(each) for each in together] == [alone[index] for index in mix], mix


def test_beam_search_does_not_depend_on_it_either(random_engine, tasks):
    options = replace(GREEDY, beam_size=5, max_new_tokens=12)
    alone = [plain(random_engine.run(options, [task])[0]) for task in tasks]

    for seed in range(N_MIXES // 2):
        mix = random.Random(seed).sample(range(len(tasks)), k=len(tasks) - seed % 3)
        together = random_engine.run(options, [tasks[index] for index in mix])

        assert [plain(each) for each in together] == [alone[index] for index in mix], mix


def test_probes_choose_what_can_be_run(random_model, tasks):
    engine = recogniser(random_model, threads=4, replicas=0, max_batch_size=0)

    size = engine.load().max_batch_size
    engine.warm_up()

    assert size in (2, 4, 8)
    assert len(engine.run(GREEDY, tasks)) == len(tasks)


def test_attempt_from_encoder_states_gives_what_features_give(random_engine, tasks):
    poor = [each for each in random_engine.run(GREEDY, tasks) if each.encoded is not None]
    assert poor  # nonsense is unlikely text: states are handed back

    for task, first in zip(tasks, random_engine.run(GREEDY, tasks), strict=True):
        if first.encoded is None:
            continue
        (again,) = random_engine.run(
            replace(GREEDY, is_encoded=True),
            [replace(task, audio=first.encoded, language=first.language)],
        )
        assert plain(again) == plain(first)


def test_language_is_found_among_the_candidates(random_engine, tasks):
    task = replace(tasks[2], languages=("ko", "en"))

    (result,) = random_engine.run(GREEDY, [task])

    assert result.language in ("ko", "en")
    assert 0 < result.language_probability < 1


def test_token_limit_is_kept_with_and_without_a_prompt(random_engine, tasks):
    options = replace(GREEDY, max_new_tokens=10)

    for result in random_engine.run(options, [tasks[0], tasks[4]]):
        assert sum(len(segment.tokens) for segment in result.segments) <= 10


def test_long_prompt_leaves_room_for_the_text(scripted_engine, tasks):
    task = replace(tasks[0], prompt="word " * 2000)

    (result,) = scripted_engine.run(replace(GREEDY, max_new_tokens=224), [task])

    assert result.language == "en"


def test_words_belong_to_their_segments_and_stay_in_the_window(scripted_engine, tasks):
    task = replace(tasks[2], language="en", has_words=True)

    (result,) = scripted_engine.run(replace(GREEDY, max_new_tokens=60), [task])

    assert [(word.text, word.segment) for word in result.words] == [
        (" Hello", 0), (" world.", 0), (" Again.", 1),
    ]  # fmt: skip
    assert all(0 <= word.start_s <= word.end_s <= 2.0 for word in result.words)
    assert [score.text for score in result.scores[:3]] == [" ", "H", "e"]
    assert max(score.logprob for score in result.scores) <= 0


def test_window_without_sound_can_be_timed(scripted_engine):
    task = WindowTask(np.zeros((80, 1), np.float32), 0.01, "en", has_words=True)

    (result,) = scripted_engine.run(replace(GREEDY, max_new_tokens=60), [task])

    assert result.text == "Hello world. Again."
    assert all(segment.end_s <= 0.01 for segment in result.segments)


def test_folder_without_weights_is_a_missing_model(tmp_path):
    (tmp_path / "config.json").write_text("{}")

    with pytest.raises(ModelMissing, match=r"model\.bin is missing"):
        recogniser(tmp_path).load()


def test_broken_weights_do_not_load(tmp_path):
    folder = micro_model.build_random(tmp_path / "broken")
    (folder / "model.bin").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")

    with pytest.raises(EngineError, match="cannot be loaded"):
        recogniser(folder).load()
