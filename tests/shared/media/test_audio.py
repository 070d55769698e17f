import wave

import numpy as np
import pytest

from shared.errors import PayloadTooLarge, UnsupportedMedia
from shared.media.audio import decode_audio
from shared.media.limits import AudioLimits

RATE_HZ = 16_000


def write_wave(path, samples, rate_hz=RATE_HZ):
    """Write (n, channels) samples from -1 to 1 as 16-bit PCM."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def tone(seconds, hz=440, rate_hz=RATE_HZ, amplitude=0.5):
    """One channel of a sine, (n, 1)."""
    times = np.arange(int(seconds * rate_hz)) / rate_hz
    return (amplitude * np.sin(2 * np.pi * hz * times))[:, None]


def test_samples_come_as_mono_float_at_the_asked_rate(tmp_path):
    write_wave(tmp_path / "a", tone(1.0))

    recording = decode_audio(str(tmp_path / "a"), AudioLimits())

    assert recording.samples.dtype == np.float32
    assert recording.duration_s == pytest.approx(1.0)
    np.testing.assert_allclose(recording.samples, tone(1.0)[:, 0], atol=1e-3)


def test_other_rates_are_resampled_without_changing_the_pitch(tmp_path):
    write_wave(tmp_path / "a", tone(1.0, hz=1000, rate_hz=44_100), rate_hz=44_100)

    samples = decode_audio(str(tmp_path / "a"), AudioLimits()).samples

    assert len(samples) == pytest.approx(RATE_HZ, abs=50)
    spectrum = np.abs(np.fft.rfft(samples[:RATE_HZ]))
    assert spectrum.argmax() == pytest.approx(1000, abs=2)


def test_channels_are_mixed(tmp_path):
    write_wave(tmp_path / "a", np.hstack([tone(0.5), np.zeros_like(tone(0.5))]))

    samples = decode_audio(str(tmp_path / "a"), AudioLimits()).samples

    assert 0.2 < np.abs(samples).max() < 0.4


def test_no_samples_are_a_recording_of_no_length(tmp_path):
    write_wave(tmp_path / "a", np.zeros((0, 1)))

    assert decode_audio(str(tmp_path / "a"), AudioLimits()).duration_s == 0


def test_longer_than_the_limit_is_refused(tmp_path):
    write_wave(tmp_path / "a", tone(2.0))

    with pytest.raises(PayloadTooLarge, match="longer than 1 s"):
        decode_audio(str(tmp_path / "a"), AudioLimits(max_seconds=1))


def test_more_channels_than_the_limit_are_refused(tmp_path):
    write_wave(tmp_path / "a", np.repeat(tone(0.1), 3, axis=1))

    with pytest.raises(PayloadTooLarge, match="3 channels"):
        decode_audio(str(tmp_path / "a"), AudioLimits(max_channels=2))


@pytest.mark.parametrize("content", [b"", b"no sound at all" * 50, b"RIFF\x00\x00\x00\x00WAVE"])
def test_what_is_no_recording_is_refused(tmp_path, content):
    (tmp_path / "a").write_bytes(content)

    with pytest.raises(UnsupportedMedia):
        decode_audio(str(tmp_path / "a"), AudioLimits())


def test_playlist_that_names_other_files_is_refused(tmp_path):
    write_wave(tmp_path / "secret.wav", tone(0.1))
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{tmp_path}/secret.wav\n"
    (tmp_path / "a.m3u8").write_text(playlist + "#EXT-X-ENDLIST\n")

    with pytest.raises(UnsupportedMedia):
        decode_audio(str(tmp_path / "a.m3u8"), AudioLimits())
