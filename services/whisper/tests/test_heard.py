import pytest

from services.whisper.heard import Stretch, drop_unheard
from services.whisper.tasks import SpokenSegment, SpokenWord, TokenScore, WindowResult

SPEECH = [Stretch(0.0, 2.0), Stretch(6.0, 8.0)]
FIRST_TIME = 100  # tokens from here on are times


def word(text, start_s, end_s, tokens, segment=0):
    return SpokenWord(text, start_s, end_s, 0.9, segment, tokens)


def result(segments, words=()):
    scores = [
        TokenScore(str(token), [token], -0.1)
        for segment in segments
        for token in segment.tokens
        if token < FIRST_TIME
    ]
    return WindowResult(
        list(segments), "en", 1.0, -0.2, 0.0, 1.0, 0.0, False, list(words), scores
    )  # fmt: skip


def test_words_in_a_pause_are_dropped_with_their_tokens_and_scores():
    segments = [
        SpokenSegment(0.0, 4.0, " so it is", [100, 1, 2, 3, 104]),
        SpokenSegment(4.0, 5.0, " thanks", [104, 4, 105]),
        SpokenSegment(6.0, 8.0, " good bye", [106, 5, 6, 108]),
    ]
    words = [
        word(" so", 0.2, 0.6, [1]), word(" it", 0.6, 0.9, [2]), word(" is", 3.0, 3.4, [3]),
        word(" thanks", 4.0, 5.0, [4], 1),
        word(" good", 6.1, 6.4, [5], 2), word(" bye", 6.4, 6.9, [6], 2),
    ]  # fmt: skip

    kept, dropped = drop_unheard(result(segments, words), SPEECH)

    assert dropped == 2
    assert [each.text for each in kept.segments] == [" so it", " good bye"]
    assert [each.tokens for each in kept.segments] == [[100, 1, 2, 104], [106, 5, 6, 108]]
    assert [each.text for each in kept.scores] == ["1", "2", "5", "6"]
    assert [(each.text, each.segment) for each in kept.words] == [
        (" so", 0), (" it", 0), (" good", 1), (" bye", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("start_s", "end_s", "is_kept"),
    [
        (0.5, 0.9, True),  # within speech
        (1.9, 2.2, True),  # a third of it heard
        (1.95, 2.3, False),  # a seventh
        (3.0, 6.2, True),  # stretched into the pause before it
        (3.0, 6.05, False),
        (1.0, 1.0, True),  # no time was given
        (4.0, 4.0, False),
    ],
)
def test_word_is_kept_if_enough_of_it_is_heard(start_s, end_s, is_kept):
    segments = [SpokenSegment(0.0, 8.0, " a b", [1, 2])]
    words = [word(" a", 0.1, 0.4, [1]), word(" b", start_s, end_s, [2])]

    kept, dropped = drop_unheard(result(segments, words), SPEECH)

    assert dropped == (0 if is_kept else 1)
    assert kept.segments[0].text == (" a b" if is_kept else " a")


def test_without_word_times_only_segments_wholly_in_a_pause_are_dropped():
    segments = [
        SpokenSegment(0.0, 5.0, " long pause after it", [1]),
        SpokenSegment(3.0, 5.0, " thanks for watching", [2]),
    ]

    kept, dropped = drop_unheard(result(segments), SPEECH)

    assert [each.text for each in kept.segments] == [" long pause after it"]
    assert dropped == 3


def test_speech_from_end_to_end_keeps_all():
    heard = result([SpokenSegment(0.0, 8.0, " a", [1])], [word(" a", 3.0, 4.0, [1])])

    assert drop_unheard(heard, [Stretch(0.0, 8.0)]) == (heard, 0)
