import pytest

from services.whisper.demo.synth import Delivery, Phone, Speaker, time_words


def test_words_end_at_the_next_word_or_at_a_pause_before_it():
    starts = {0: 0.1, 4: 0.5}
    phones = [Phone("w", 0.1), Phone("", 0.4), Phone("t", 0.5)]

    words = time_words("One two", starts, phones, end_s=0.9)

    assert [word.start_s for word in words] == pytest.approx([0.1, 0.5])
    assert [word.end_s for word in words] == pytest.approx([0.4, 0.9])
    assert all(word.is_exact for word in words)


def test_words_spoken_jointly_share_their_time_by_letters_and_say_so():
    words = time_words("out of it", {0: 0.0, 7: 1.0}, [Phone("a", 0.0)], end_s=1.5)

    assert [(word.start_s, word.end_s) for word in words[:2]] == [
        (0.0, pytest.approx(0.6)),
        (pytest.approx(0.6), pytest.approx(1.0)),
    ]
    assert [word.is_exact for word in words] == [False, False, True]


@pytest.fixture(scope="module")
def speaker():
    return Speaker()


@pytest.mark.debian("libespeak-ng.so.1")
def test_spoken_words_lie_in_order_within_the_audio(speaker):
    utterance = speaker.say("The diameter is five millimetres.", Delivery("gmw/en-US+m3"))

    times = [edge for word in utterance.words for edge in (word.start_s, word.end_s)]
    assert len(utterance.words) == 5
    assert times == sorted(times)
    assert 1.0 < times[-1] <= len(utterance.audio) / 16_000


@pytest.mark.debian("libespeak-ng.so.1")
def test_slow_speech_is_longer_than_fast_speech(speaker):
    slow = speaker.say("Start the machine.", Delivery("gmw/en", rate_wpm=110))
    fast = speaker.say("Start the machine.", Delivery("gmw/en", rate_wpm=220))

    assert len(slow.audio) > 1.4 * len(fast.audio)


@pytest.mark.debian("libespeak-ng.so.1")
def test_unknown_voice_is_refused_by_name(speaker):
    with pytest.raises(ValueError, match="gmw/klingon"):
        speaker.say("Hello.", Delivery("gmw/klingon"))
