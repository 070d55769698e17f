import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.whisper.decoding import (
    TokenSegment,
    compression_ratio,
    is_loop,
    needs_another_attempt,
    split_segments,
    timed_words,
    token_bytes,
)

T = 1000  # id of <|0.00|>: 50 ids a second


def test_segments_are_cut_between_paired_times():
    tokens = [T, 1, 2, T + 50, T + 60, 3, T + 100]

    assert split_segments(tokens, first_time=T, duration_s=5.0) == [
        TokenSegment(0.0, 1.0, [T, 1, 2, T + 50]),
        TokenSegment(1.2, 2.0, [T + 60, 3, T + 100]),
    ]


def test_text_after_the_last_time_ends_with_the_window():
    (segment,) = split_segments([T + 10, 1, 2], first_time=T, duration_s=5.0)

    assert (segment.start_s, segment.end_s) == (0.2, 5.0)


def test_text_without_times_is_one_segment():
    (segment,) = split_segments([1, 2], first_time=T, duration_s=5.0)

    assert (segment.start_s, segment.end_s) == (0.0, 5.0)


def test_times_beyond_the_window_are_drawn_back():
    (segment,) = split_segments([T + 100, 1, T + 1500], first_time=T, duration_s=5.0)

    assert (segment.start_s, segment.end_s) == (2.0, 5.0)


@given(st.lists(st.integers(T - 3, T + 1500), max_size=40), st.floats(0.1, 30))
def test_segments_never_overlap_and_keep_all_text(tokens, duration_s):
    segments = split_segments(tokens, first_time=T, duration_s=duration_s)

    times = [time for each in segments for time in (each.start_s, each.end_s)]
    assert times == sorted(times)
    assert all(0 <= time <= duration_s for time in times)
    assert [t for each in segments for t in each.tokens if t < T] == [t for t in tokens if t < T]


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ([], False),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9], False),
        ([5, 5, 5], False),  # "no, no, no"
        ([1, 2] + [7] * 8, True),
        ([9, 9] + [1, 2, 3] * 3, True),
        ([1, 2, 3] * 3 + [4], False),
        (list(range(60)) * 3, True),
    ],
)
def test_loop_is_an_ending_said_three_times(tokens, expected):
    assert is_loop(tokens) is expected


def test_repetitive_text_compresses_more():
    assert compression_ratio("I'm sorry. " * 29) > 2.4
    assert compression_ratio("The child almost hurt the small dog.") < 1.5
    assert compression_ratio("") == 0.0


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((-0.3, 1.5, 0.1, False), False),
        ((-1.2, 1.5, 0.1, False), True),
        ((-0.3, 2.5, 0.1, False), True),
        ((-0.3, 1.5, 0.1, True), True),
        ((-1.2, 2.5, 0.9, True), False),  # the model says that nobody spoke
    ],
)
def test_poor_text_is_tried_again(values, expected):
    logprob, ratio, no_speech, loop = values

    again = needs_another_attempt(
        avg_logprob=logprob, ratio=ratio, no_speech_prob=no_speech, has_loop=loop
    )

    assert again is expected


def test_words_take_their_times_from_the_alignment():
    # Tokens 0 and 1 make a word, 2 is a full stop, 3 another word, 4 the end.
    path = [(0, 0), (0, 5), (1, 10), (2, 20), (3, 30), (3, 40), (4, 50)]
    words = [" Hello", ".", " World", ""]

    timed = timed_words(words, [[7, 8], [9], [10], [99]], path, [0.5, 0.7, 0.9, 0.8])

    assert [(each.text, each.start_s, each.end_s) for each in timed] == [
        (" Hello.", 0.0, 0.4),
        (" World", 0.6, 1.0),
    ]
    assert timed[0].probability == pytest.approx(0.6)
    assert [each.n_tokens for each in timed] == [3, 1]


def test_opening_quote_joins_the_word_after_it():
    path = [(0, 0), (1, 10), (2, 20)]

    timed = timed_words([' "', "Yes", ""], [[1], [2], [99]], path, [0.5, 0.9])

    assert [each.text for each in timed] == [' "Yes']


def test_token_bytes_survive_a_character_cut_in_two():
    # "Ġ" is a space; "한" is ED 95 9C, of which GPT-2's table spells the second byte "ķ".
    assert token_bytes("ĠHi") == b" Hi"
    assert token_bytes("í") + token_bytes("ķ") + token_bytes("ľ") == "한".encode()
