"""Sounds for tests: a synthetic voice that the detector takes for speech, and silence."""

import io
import math
import wave

import numpy as np

SAMPLE_RATE_HZ = 16_000
SYLLABLE_S = 0.15
PITCH_HZ = 140.0
FORMANTS_HZ = (
    (730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410),
)  # fmt: skip
"""First three formants of five vowels (Peterson and Barney, 1952)."""


def speech(seconds, seed=0):
    """Vowels in syllables of 150 ms: (n_samples,) float32."""
    rng = np.random.default_rng(seed)
    count = int(SYLLABLE_S * SAMPLE_RATE_HZ)
    pieces = []
    for number in range(math.ceil(seconds / SYLLABLE_S)):
        times = number * SYLLABLE_S + np.arange(count) / SAMPLE_RATE_HZ
        pitch = PITCH_HZ * (1 + 0.15 * np.sin(2 * np.pi * 0.6 * times))
        phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE_HZ
        vowel = FORMANTS_HZ[rng.integers(len(FORMANTS_HZ))]
        sound = sum(
            _gain(harmonic * PITCH_HZ, vowel) / harmonic * np.sin(harmonic * phase)
            for harmonic in range(1, int(4000 / PITCH_HZ))
        )
        sound *= np.hanning(count) ** 0.5
        pieces.append(sound / np.abs(sound).max())
    samples = np.concatenate(pieces)[: round(seconds * SAMPLE_RATE_HZ)]
    return (0.5 * samples).astype(np.float32)


def _gain(frequency_hz, formants_hz):
    ratios = [frequency_hz / formant for formant in formants_hz]
    widths = [frequency_hz * 80 / formant**2 for formant in formants_hz]
    return float(
        np.prod([((1 - r**2) ** 2 + w**2) ** -0.5 for r, w in zip(ratios, widths, strict=True)])
    )


def silence(seconds):
    """Digital silence: (n_samples,) float32."""
    return np.zeros(int(seconds * SAMPLE_RATE_HZ), np.float32)


def wav(*pieces, sample_rate_hz=SAMPLE_RATE_HZ, n_channels=1):
    """A WAV file of the pieces, one after the other, alike in all channels."""
    samples = np.repeat(np.concatenate(pieces), n_channels)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(n_channels)
        file.setsampwidth(2)
        file.setframerate(sample_rate_hz)
        file.writeframes(np.round(samples * 32767).astype("<i2").tobytes())
    return buffer.getvalue()
