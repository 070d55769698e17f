import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.whisper.engines.listener import log_mel
from services.whisper.pauses import out_of_pauses
from services.whisper.tasks import SpokenWord
from services.whisper.tests import voice


def word(start_s, end_s):
    return SpokenWord(" word", start_s, end_s, 1.0, 0, [1])


def features(*parts):
    """Frames of the given (seconds, level)."""
    levels = np.concatenate([np.full(round(100 * seconds), level) for seconds, level in parts])
    return np.tile(levels.astype(np.float32), (80, 1))


def times(words):
    return [(each.start_s, each.end_s) for each in words]


SENTENCE = features((0.5, -0.8), (0.5, 0.4), (0.5, -0.8), (0.7, 0.4), (0.3, -0.8))


@pytest.mark.parametrize(
    ("given_s", "expected_s"),
    [
        ((0.0, 1.0), (0.5, 1.0)),  # the first word begins with the window, before its sound
        ((0.5, 1.2), (0.5, 1.0)),  # stretched into the pause behind it
        ((0.9, 2.2), (1.5, 2.2)),  # begins in the end of the word before, says most after it
        ((0.6, 1.6), (0.6, 1.0)),  # and the other way round
        ((0.55, 0.9), (0.55, 0.9)),  # sounds all along
        ((1.1, 1.4), (1.1, 1.4)),  # no sound at all
    ],
)
def test_word_is_where_its_sound_is(given_s, expected_s):
    assert times(out_of_pauses([word(*given_s)], SENTENCE)) == [expected_s]


def test_short_silence_inside_a_word_is_part_of_it():
    plosive = features((0.4, -0.8), (0.3, 0.4), (0.1, -0.8), (0.3, 0.4), (0.4, -0.8))

    assert times(out_of_pauses([word(0.0, 1.5)], plosive)) == [(0.4, 1.1)]


@pytest.mark.parametrize("level", [-0.8, 0.4])
def test_window_without_contrast_keeps_its_times(level):
    assert times(out_of_pauses([word(0.0, 1.0)], features((1.0, level)))) == [(0.0, 1.0)]


def test_window_without_frames_keeps_its_times():
    assert times(out_of_pauses([word(0.0, 0.1)], np.zeros((80, 0), np.float32))) == [(0.0, 0.1)]


def test_onset_is_found_in_features_of_sound():
    sound = np.concatenate([voice.silence(0.6), voice.speech(1.0), voice.silence(0.5)])

    (placed,) = out_of_pauses([word(0.0, 2.1)], log_mel(sound, n_mels=80))

    assert placed.start_s == pytest.approx(0.6, abs=0.03)  # features smear over 25 ms
    assert placed.end_s == pytest.approx(1.6, abs=0.1)  # the voice fades


@given(
    st.lists(st.tuples(st.floats(0.01, 1), st.floats(-1, 1)), min_size=1, max_size=12),
    st.floats(0, 6),
    st.floats(0, 6),
)
def test_words_are_never_moved_beyond_the_times_they_had(parts, start_s, length_s):
    (placed,) = out_of_pauses([word(start_s, start_s + length_s)], features(*parts))

    assert start_s - 0.005 <= placed.start_s <= placed.end_s <= start_s + length_s + 0.005
