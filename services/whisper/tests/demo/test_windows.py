import numpy as np
import pytest

from services.whisper.demo.card import MODEL_FOLDER
from services.whisper.demo.synth import Delivery, Phone, Utterance, Word
from services.whisper.demo.tokenizer import load_tokenizer, token_ids
from services.whisper.demo.windows import (
    NO_SPAN,
    Placed,
    TargetMaker,
    phone_labels,
    render,
)  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(MODEL_FOLDER / "tokenizer.json")


@pytest.fixture(scope="module")
def ids(tokenizer):
    return token_ids(tokenizer)


@pytest.fixture(scope="module")
def maker(tokenizer, ids):
    return TargetMaker(tokenizer, ids)


@pytest.fixture
def utterance():
    return Utterance(
        text="Two bolts.",
        delivery=Delivery("gmw/en"),
        audio=np.full(16_000, 16_384, np.int16),
        words=(Word(0, 3, 0.2, 0.4, True), Word(4, 10, 0.4, 0.9, True)),
        phones=(Phone("t", 0.2), Phone("uː", 0.3), Phone("", 0.9)),
    )


def _drawn(maker, placed, wanted, **options):
    """Draw prompt forms until one fits."""
    for seed in range(200):
        targets = maker.make(placed, np.random.default_rng(seed), **options)
        if wanted(targets):
            return targets
    raise AssertionError("no seed gives this form")


def test_sequence_without_times_says_the_text_then_the_end(maker, ids, tokenizer, utterance):
    made = _drawn(
        maker, [Placed(utterance, 1.0)], lambda t: t.tokens[:2] == [ids.sot, ids.no_timestamps]
    )

    text = tokenizer.encode(" Two bolts.").ids
    assert made.targets[1:] == [*text, ids.eot]
    assert made.tokens == [ids.sot, ids.no_timestamps, *text]
    assert made.spans[1] == (round(1.2 / 0.02), round(1.4 / 0.02))


def test_sequence_with_times_frames_the_text_with_its_start_and_end(maker, ids, utterance):
    timed = [ids.sot, ids.first_time + 60]
    made = _drawn(maker, [Placed(utterance, 1.0)], lambda t: t.tokens[:2] == timed)

    assert made.targets[0] == ids.first_time + round(1.2 / 0.02)
    assert made.targets[-2:] == [ids.first_time + round(1.9 / 0.02), ids.eot]


def test_times_move_with_the_position_of_the_window_but_attention_does_not(maker, ids, utterance):
    placed = [Placed(utterance, 0.0)]
    here = _drawn(maker, placed, lambda t: t.tokens[1] == ids.no_timestamps)
    there = _drawn(maker, placed, lambda t: t.tokens[1] == ids.no_timestamps, offset=500)

    assert there.targets[0] == here.targets[0] + 500
    assert there.spans == here.spans


def test_window_without_speech_asks_for_no_speech_and_an_empty_text(maker, ids):
    for seed in range(20):
        made = maker.make([], np.random.default_rng(seed))

        assert made.targets[0] == ids.no_speech
        assert made.targets[-1] == ids.eot
        assert made.spans[0] == NO_SPAN


def test_previous_text_comes_before_the_prompt_and_is_not_asked_for(maker, ids, utterance):
    made = maker.make([Placed(utterance, 0.0)], np.random.default_rng(1), previous="Good morning.")

    at_sot = made.tokens.index(ids.sot)
    assert made.tokens[0] == ids.previous
    assert made.targets[:at_sot] == [-100] * at_sot
    assert made.targets[at_sot] >= ids.first_time


def test_frames_carry_the_phone_that_sounds(utterance):
    labels = phone_labels([Placed(utterance, 0.1)], n_frames=60, ids={"t": 5, "uː": 7})

    assert list(labels[14:16]) == [0, 5]
    assert list(labels[19:21]) == [5, 7]
    assert list(labels[49:52]) == [7, 0, 0]


def test_rendered_window_is_silent_outside_its_utterances(utterance):
    audio = render([Placed(utterance, 0.5)], 2.0, np.random.default_rng(0))

    assert audio.shape == (32_000,)
    assert not audio[:8000].any()
    assert audio[8000:24_000].min() > 0.15
    assert not audio[24_000:].any()
