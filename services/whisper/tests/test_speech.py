import numpy as np
import pytest
from faster_whisper.vad import VadOptions, get_speech_timestamps

from services.whisper.engines.listener import Listener
from services.whisper.speech import Span, SpeechDetector, SpeechRules
from services.whisper.tasks import FRAME_SAMPLES, LISTEN, ListenTask
from services.whisper.tests import voice


@pytest.fixture(scope="module")
def listener():
    listener = Listener()
    listener.load()
    return listener


@pytest.fixture(scope="module")
def recording():
    """Voices with pauses of several lengths, and an end within speech."""
    pieces = [voice.silence(0.7)]
    for number, pause_s in enumerate((0.3, 0.5, 0.9, 2.5, 0.2)):
        pieces += [voice.speech(1.2 + 0.4 * number, number), voice.silence(pause_s)]
    return np.concatenate([*pieces, voice.speech(1, 9)])


def spans_by_pieces(listener, samples, piece_frames, rules):
    detector, state, spans = SpeechDetector(rules), None, []
    padded = np.pad(samples, (0, -len(samples) % FRAME_SAMPLES))
    for start in range(0, len(padded), piece_frames * FRAME_SAMPLES):
        piece = padded[start : start + piece_frames * FRAME_SAMPLES]
        (heard,) = listener.run(LISTEN, [ListenTask(piece, state)])
        state = heard.state
        spans += detector.feed(heard.probabilities.tolist())
    return spans + detector.finish(len(samples))


@pytest.mark.parametrize("piece_frames", [7, 100, 10_000])
@pytest.mark.parametrize("min_silence_ms", [160, 600])
def test_pieces_give_the_spans_that_the_library_finds_in_the_whole(
    listener, recording, piece_frames, min_silence_ms
):
    expected = get_speech_timestamps(
        recording, VadOptions(min_silence_duration_ms=min_silence_ms, min_speech_duration_ms=100)
    )
    rules = SpeechRules(min_silence_s=min_silence_ms / 1000, max_speech_s=float("inf"))

    spans = spans_by_pieces(listener, recording, piece_frames, rules)

    assert [(span.start, span.end) for span in spans] == [
        (each["start"], each["end"]) for each in expected
    ]


def test_noise_is_not_speech(listener):
    noise = np.random.default_rng(0).normal(0, 0.1, 10 * 16_000).astype(np.float32)

    assert spans_by_pieces(listener, noise, 100, SpeechRules()) == []


def test_music_is_not_speech(listener):
    times = np.arange(8_000) / 16_000  # half a second
    chords_hz = [(262, 330, 392), (349, 440, 523), (392, 494, 587), (262, 330, 392)] * 5
    music = np.concatenate(
        [
            sum(np.sin(2 * np.pi * note * k * times) / k for note in chord for k in (1, 2, 3))
            * np.exp(-3 * times)
            for chord in chords_hz
        ]
    ).astype(np.float32)

    assert spans_by_pieces(listener, 0.1 * music, 100, SpeechRules()) == []


def frames(*runs):
    """Probabilities: (value, count) runs."""
    return [value for value, count in runs for _ in range(count)]


def test_long_speech_is_cut_where_it_is_least_like_speech():
    detector = SpeechDetector(SpeechRules(max_speech_s=100 * FRAME_SAMPLES / 16_000))
    probabilities = frames((0.9, 90), (0.6, 1), (0.9, 59))

    spans = detector.feed(probabilities) + detector.finish(150 * FRAME_SAMPLES)

    assert spans == [Span(0, 90 * FRAME_SAMPLES), Span(90 * FRAME_SAMPLES, 150 * FRAME_SAMPLES)]


def test_click_is_dropped():
    detector = SpeechDetector(SpeechRules(min_speech_s=0.1))

    spans = detector.feed(frames((0.0, 20), (0.9, 2), (0.0, 20))) + detector.finish(42 * 512)

    assert spans == []


def test_short_pause_is_shared_between_its_neighbours():
    detector = SpeechDetector(SpeechRules(pad_s=0.4, min_silence_s=0.16))

    spans = detector.feed(frames((0.9, 20), (0.0, 10), (0.9, 20))) + detector.finish(50 * 512)

    assert spans == [Span(0, 25 * 512), Span(25 * 512, 50 * 512)]


def test_span_is_released_as_soon_as_the_pause_is_long_enough():
    detector = SpeechDetector(SpeechRules(pad_s=0.4))
    assert detector.feed(frames((0.9, 20), (0.0, 24))) == []

    assert detector.feed(frames((0.0, 1))) == [Span(0, 20 * 512 + 6400)]
