"""What the speech service counts beside what all services do. Labels come from small fixed sets."""

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Histogram

from services.whisper.quality import Quality

FACTOR_BUCKETS = (0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
WAIT_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class SpeechMetrics:
    """Recordings, windows and the quality of their texts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics in ``registry``."""
        count = partial(Counter, registry=registry)
        measure = partial(Histogram, registry=registry)
        self._audio = count("gantry_speech_audio_seconds_total", "Audio that was transcribed.")
        self._windows = count(
            "gantry_speech_windows_total",
            "Windows of speech, by where their text came from.",
            ["source"],
        )
        self._fallbacks = count(
            "gantry_speech_fallbacks_total", "Further attempts at windows whose text was poor."
        )
        self._loops = count(
            "gantry_speech_loops_total",
            "Windows whose text still ended in a repetition after all attempts.",
        )
        self._silent = count(
            "gantry_speech_silent_windows_total",
            "Windows that the detector took for speech and the model for silence.",
        )
        self._dropped = count(
            "gantry_speech_dropped_words_total",
            "Words left out because nobody speaks at their place.",
        )
        self._first_text = measure(
            "gantry_speech_first_window_seconds",
            "Time from the start of a recording's recognition to its first window.",
            buckets=WAIT_BUCKETS_S,
        )
        self._factor = measure(
            "gantry_speech_real_time_factor",
            "Seconds of audio transcribed in a second, by recording.",
            buckets=FACTOR_BUCKETS,
        )

    def window(self, quality: Quality, *, is_remembered: bool) -> None:
        """Count a window; what was remembered has been counted when it was made."""
        self._windows.labels("memory" if is_remembered else "model").inc()
        if is_remembered:
            return
        self._fallbacks.inc(quality.attempts - 1)
        self._loops.inc(quality.has_loop)
        self._silent.inc(quality.is_silence)
        self._dropped.inc(quality.dropped_words)

    def first_window(self, spent_s: float) -> None:
        """Note how long the first text of a recording took."""
        self._first_text.observe(spent_s)

    def recording(self, audio_s: float, spent_s: float) -> None:
        """Count a recording that was transcribed to its end."""
        self._audio.inc(audio_s)
        if audio_s > 0 and spent_s > 0:
            self._factor.observe(audio_s / spent_s)
