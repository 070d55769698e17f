from services.whisper.quality import best_of, judged, ladder, next_attempt
from services.whisper.tasks import DecodeOptions, WindowResult

FIRST = DecodeOptions()


def result(logprob=-0.3, ratio=1.5, no_speech=0.0, loop=False):
    return WindowResult([], "en", 1.0, logprob, no_speech, ratio, 0.0, loop, [], [])


def attempts(results, temperature=0.0):
    """The options tried when attempts turn out as ``results``."""
    rest = ladder(FIRST, temperature=temperature)
    options, tried = rest.pop(0), []
    for each in results:
        tried.append((options.temperature, options.no_repeat_ngram_size))
        options = next_attempt(each, options, rest)
        if options is None:
            break
    return tried


def test_good_text_is_taken_at_once():
    assert attempts([result()]) == [(0.0, 0)]


def test_unlikely_text_rises_through_the_temperatures():
    assert attempts([result(logprob=-1.5)] * 9) == [
        (0.0, 0), (0.2, 0), (0.4, 0), (0.6, 0), (0.8, 0), (1.0, 0),
    ]  # fmt: skip


def test_loop_is_first_tried_with_repeats_forbidden():
    assert attempts([result(loop=True), result()]) == [(0.0, 0), (0.0, 4)]
    assert attempts([result(loop=True), result(loop=True), result()])[2] == (0.2, 0)


def test_asked_for_temperature_is_the_only_one():
    assert attempts([result(logprob=-3)] * 3, temperature=0.7) == [(0.7, 0)]


def test_silence_is_not_tried_again():
    silent = result(logprob=-2, ratio=5, no_speech=0.9)

    assert attempts([silent]) == [(0.0, 0)]
    assert judged(silent, 1).is_silence


def test_last_attempt_counts_if_good():
    good = result(logprob=-0.9)

    assert best_of([result(logprob=-1.1, loop=True), good]) is good


def test_without_a_good_attempt_the_likeliest_plain_text_counts():
    plain = result(logprob=-1.2)
    looping = result(logprob=-0.1, ratio=9)

    assert best_of([looping, plain, result(logprob=-1.4)]) is plain
    assert best_of([looping, result(logprob=-0.5, ratio=9)]) is looping
