from hypothesis import given
from hypothesis import strategies as st

from services.whisper.speech import Span
from services.whisper.windows import WindowCutter

S = 16_000


def cut(spans, *, max_s=30.0, max_pause_s=5.0):
    cutter = WindowCutter(max_s, max_pause_s=max_pause_s)
    heard_until = spans[-1].end if spans else 0
    return cutter.feed(spans, heard_until) + cutter.finish()


def in_seconds(windows):
    return [(window.span.start / S, window.span.end / S) for window in windows]


def spans(*seconds):
    return [Span(int(start * S), int(end * S)) for start, end in seconds]


def test_speech_that_fits_is_one_window_with_its_pauses():
    assert in_seconds(cut(spans((1, 4), (6, 9), (12, 20)))) == [(1, 20)]


def test_full_window_is_cut_at_the_longest_pause_of_its_last_third():
    windows = cut(spans((0, 18), (18.5, 22), (24, 26), (26.2, 29), (29.3, 35)))

    assert in_seconds(windows) == [(0, 22), (24, 35)]


def test_long_pause_ends_a_window():
    assert in_seconds(cut(spans((0, 2), (8, 9)))) == [(0, 2), (8, 9)]


def test_window_is_known_once_the_pause_after_it_is_long():
    cutter = WindowCutter(30.0, max_pause_s=5.0)

    assert cutter.feed(spans((0, 2)), 6 * S) == []
    assert in_seconds(cutter.feed([], 8 * S)) == [(0, 2)]


def test_windows_are_numbered_and_know_their_speech():
    windows = cut(spans((0, 2), (3, 4), (20, 21)))

    assert [window.index for window in windows] == [0, 1]
    assert windows[0].speech == tuple(spans((0, 2), (3, 4)))
    assert windows[1].start_s == 20


@given(
    st.lists(st.tuples(st.floats(0, 12), st.floats(0.1, 29.9)), max_size=40),
    st.sampled_from([30.0, 31.5]),
)
def test_windows_hold_all_speech_once_in_order_within_their_length(steps, max_s):
    position, given_spans = 0, []
    for pause_s, length_s in steps:
        start = position + int(pause_s * S)
        position = start + int(length_s * S)
        given_spans.append(Span(start, position))

    windows = cut(given_spans, max_s=max_s)

    assert [span for window in windows for span in window.speech] == given_spans
    assert all(window.span.duration_s <= max_s for window in windows)
    assert all(a.span.end <= b.span.start for a, b in zip(windows, windows[1:], strict=False))
