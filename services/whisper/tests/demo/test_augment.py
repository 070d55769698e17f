import numpy as np
import pytest

from services.whisper.demo.augment import (
    NOISE_KINDS,
    Room,
    add_noise,
    limit_band,
    make_noise,
    make_response,
    set_peak,
    unit_level,
)  # fmt: skip


@pytest.fixture(scope="module")
def room():
    return Room(seed=1)


@pytest.fixture
def tone():
    return (0.3 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)).astype(np.float32)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_disturbed_audio_keeps_length_type_and_range(room, tone, strength):
    rng = np.random.default_rng(2)

    for _ in range(20):
        disturbed = room.disturb(tone, rng, strength=strength)
        assert disturbed.shape == tone.shape
        assert disturbed.dtype == np.float32
        assert np.abs(disturbed).max() <= 1.0


def test_room_without_speech_is_finite_and_in_range(room):
    rng = np.random.default_rng(3)

    windows = [room.without_speech(24_000, rng) for _ in range(40)]

    assert all(np.isfinite(window).all() and np.abs(window).max() <= 1.0 for window in windows)
    assert any(not window.any() for window in windows)


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_noise_has_unit_level(kind):
    noise = make_noise(kind, 32_000, np.random.default_rng(4))

    assert np.sqrt(np.mean(noise**2)) == pytest.approx(1.0, rel=1e-3)


def test_unknown_noise_is_refused():
    with pytest.raises(ValueError, match="expected one of white"):
        make_noise("silence", 100, np.random.default_rng(0))


def test_room_response_starts_with_the_direct_sound():
    response = make_response(np.random.default_rng(5))

    assert np.argmax(np.abs(response)) == 0


def test_noise_stands_below_a_tone_by_the_wanted_distance(tone):
    noise = make_noise("white", len(tone), np.random.default_rng(6))

    added = add_noise(tone, noise, snr_db=20.0) - tone

    # Where a sine exceeds its mean power it has (1 + 2 / pi) times that power; half is taken.
    expected = np.sqrt(np.mean(tone**2) * (1 + 2 / np.pi) / 2) / 10
    assert np.sqrt(np.mean(added**2)) == pytest.approx(expected, rel=0.01)


def test_band_limit_removes_what_lies_below_it(tone):
    assert np.abs(limit_band(tone, 2000.0, 6000.0)[2000:]).max() < 0.05


def test_silence_stays_silence():
    silence = np.zeros(100, np.float32)

    assert not set_peak(silence, peak=0.5).any()
    assert not unit_level(silence).any()
