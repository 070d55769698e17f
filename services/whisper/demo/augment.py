"""Make clean speech sound like a room and a cheap microphone; and make windows without speech.

Every function takes audio as (n_samples,) float32 within [-1, 1] at 16 kHz and returns the same
shape. The direct sound keeps its place, so word times stay true.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, oaconvolve, sosfilt

from services.whisper.demo.synth import SAMPLE_RATE_HZ

Audio = NDArray[np.float32]

NOISE_KINDS = ("white", "pink", "brown", "wind", "hum", "clicks", "tones", "machine")
_NOISE_BANK_S = 40


class Room:
    """A bank of noises and room responses, drawn once from a seed and cut at random places."""

    def __init__(self, seed: int) -> None:
        """Draw the bank; takes about a second."""
        rng = np.random.default_rng(seed)
        count = _NOISE_BANK_S * SAMPLE_RATE_HZ
        self._noises = [make_noise(kind, count, rng) for kind in NOISE_KINDS]
        self._responses = [make_response(rng) for _ in range(48)]

    def noise(self, count: int, rng: np.random.Generator) -> Audio:
        """Cut a piece of noise of unit root mean square; a third of the pieces mix two kinds."""
        mixed = self._cut(count, rng)
        if rng.random() < 0.33:
            mixed = mixed + rng.uniform(0.2, 1.0) * self._cut(count, rng)
        return unit_level(mixed)

    def disturb(self, audio: Audio, rng: np.random.Generator, *, strength: float = 1.0) -> Audio:
        """Apply a random mixture of reverberation, band limit, noise and level.

        Args:
            audio: speech with silence around it.
            rng: source of all choices.
            strength: 0 leaves only the level, 1 disturbs about three windows of four,
                down to 5 dB of noise distance.
        """
        if rng.random() < 0.4 * strength:
            response = self._responses[rng.integers(len(self._responses))]
            audio = oaconvolve(audio, response)[: len(audio)].astype(np.float32)
        if rng.random() < 0.15 * strength:
            audio = limit_band(audio, float(rng.uniform(60, 350)), float(rng.uniform(3000, 7500)))
        if rng.random() < 0.75 * strength:
            audio = add_noise(audio, self.noise(len(audio), rng), snr_db=float(rng.uniform(5, 40)))
        return set_peak(audio, peak=float(10 ** rng.uniform(-1.5, 0)))

    def without_speech(self, count: int, rng: np.random.Generator) -> Audio:
        """Make a window in which nobody speaks: digital silence, hiss or any noise at any level."""
        if rng.random() < 0.15:
            return np.zeros(count, np.float32)
        noise = self.noise(count, rng)
        if rng.random() < 0.4:
            noise = noise * fade(count, rng)
        return set_peak(noise, peak=float(10 ** rng.uniform(-4, 0)))

    def _cut(self, count: int, rng: np.random.Generator) -> Audio:
        noise = self._noises[rng.integers(len(self._noises))]
        repeated = noise if count <= len(noise) else np.resize(noise, count)
        first = int(rng.integers(len(repeated) - count + 1))
        return unit_level(repeated[first : first + count])


def make_noise(kind: str, count: int, rng: np.random.Generator) -> Audio:
    """Draw noise of one of `NOISE_KINDS`, unit root mean square.

    Raises:
        ValueError: the kind is unknown.
    """
    times_s = np.arange(count) / SAMPLE_RATE_HZ
    if kind in ("white", "pink", "brown"):
        noise = _coloured(count, {"white": 0.0, "pink": 0.5, "brown": 1.0}[kind], rng)
    elif kind == "wind":
        noise = _coloured(count, 0.8, rng) * fade(count, rng)
    elif kind == "hum":
        base_hz = float(rng.choice((50.0, 60.0)))
        harmonics = [
            np.sin(2 * np.pi * base_hz * n * times_s + rng.uniform(0, 6)) / n for n in range(1, 12)
        ]
        noise = np.sum(harmonics, axis=0) + 0.05 * rng.standard_normal(count)
    elif kind == "clicks":
        noise = 0.01 * rng.standard_normal(count)
        for first in rng.integers(0, count - 800, count // 8000):
            noise[first : first + 800] += rng.standard_normal(800) * np.exp(
                -np.arange(800) / rng.uniform(20, 200)
            )
    elif kind == "tones":
        steps = np.repeat(10 ** rng.uniform(2, 3.6, count // 4000 + 1), 4000)[:count]
        loud = np.repeat(rng.random(count // 4000 + 1) < 0.5, 4000)[:count]
        noise = np.sin(
            2 * np.pi * np.cumsum(steps) / SAMPLE_RATE_HZ
        ) * loud + 0.01 * rng.standard_normal(count)
    elif kind == "machine":
        beat = 1 + 0.8 * np.sin(2 * np.pi * rng.uniform(3, 20) * times_s)
        noise = _coloured(count, 0.5, rng) * beat + 0.5 * np.sign(
            np.sin(2 * np.pi * rng.uniform(30, 120) * times_s)
        )
    else:
        raise ValueError(f"unknown noise {kind!r}; expected one of {', '.join(NOISE_KINDS)}")
    return unit_level(noise)


def make_response(rng: np.random.Generator) -> Audio:
    """Draw a room response: the direct sound, then noise falling by 60 dB in 0.1 to 0.6 s."""
    decay_s = rng.uniform(0.1, 0.6)
    count = int(decay_s * SAMPLE_RATE_HZ)
    tail = rng.standard_normal(count) * 10 ** (-3 * np.arange(count) / count)
    tail[: int(rng.uniform(0.001, 0.01) * SAMPLE_RATE_HZ)] = 0
    tail *= rng.uniform(0.2, 1.0) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return tail.astype(np.float32)


def add_noise(audio: Audio, noise: Audio, *, snr_db: float) -> Audio:
    """Add unit-level noise; the speech, measured over its loud half, stands `snr_db` above it."""
    power = audio.astype(np.float64) ** 2
    peaks = float(np.mean(power[power >= np.mean(power)])) if power.any() else 0.0
    level = np.sqrt(peaks / 2)  # samples above the mean are half waves of the speech
    noisy: Audio = (audio + noise * level * 10 ** (-snr_db / 20)).astype(np.float32)
    return noisy


def limit_band(audio: Audio, low_hz: float, high_hz: float) -> Audio:
    """Keep the band between two frequencies (second order Butterworth), as a telephone does."""
    sections = butter(
        2, (low_hz, min(high_hz, 7900.0)), "bandpass", fs=SAMPLE_RATE_HZ, output="sos"
    )
    filtered: Audio = sosfilt(sections, audio).astype(np.float32)
    return filtered


def set_peak(audio: Audio, *, peak: float) -> Audio:
    """Scale so that the largest sample is `peak`; silence stays silence."""
    largest = float(np.max(np.abs(audio), initial=0.0))
    return audio if largest == 0 else (audio * (peak / largest)).astype(np.float32)


def unit_level(audio: NDArray[np.floating]) -> Audio:
    """Scale to unit root mean square; silence stays silence."""
    level = float(np.sqrt(np.mean(audio.astype(np.float64) ** 2)))
    return (audio / (level or 1.0)).astype(np.float32)


def fade(count: int, rng: np.random.Generator) -> Audio:
    """Draw a slow loudness curve between 0 and 1, about one turn a second."""
    knots = np.linspace(0, count, count // SAMPLE_RATE_HZ + 3)
    curve: Audio = np.interp(np.arange(count), knots, rng.random(len(knots))).astype(np.float32)
    return curve


def _coloured(count: int, slope: float, rng: np.random.Generator) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(rng.standard_normal(count))
    spectrum *= np.maximum(np.arange(len(spectrum)), 20 * count / SAMPLE_RATE_HZ) ** -slope
    return np.fft.irfft(spectrum, count)
