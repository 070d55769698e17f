"""What the speech service counts beside what all services do. Labels come from small fixed sets."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from services.whisper.quality import Quality

FACTOR_BUCKETS = (0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
WAIT_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class SpeechMetrics:
    """Recordings, windows and the quality of their texts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics in ``registry``."""
        self._audio = Counter(
            "gantry_speech_audio_seconds_total", "Audio that was transcribed.", registry=registry
        )
        self._windows = Counter(
            "gantry_speech_windows_total",
            "Windows of speech, by where their text came from.",
            ["source"],
            registry=registry,
        )
        self._fallbacks = Counter(
            "gantry_speech_fallbacks_total",
            "Further attempts at windows whose text was poor.",
            registry=registry,
        )
        self._loops = Counter(
            "gantry_speech_loops_total",
            "Windows whose text still ended in a repetition after all attempts.",
            registry=registry,
        )
        self._silent = Counter(
            "gantry_speech_silent_windows_total",
            "Windows that the detector took for speech and the model for silence.",
            registry=registry,
        )
        self._dropped = Counter(
            "gantry_speech_dropped_words_total",
            "Words left out because nobody speaks at their place.",
            registry=registry,
        )
        self._first_text = Histogram(
            "gantry_speech_first_window_seconds",
            "Time from the start of a recording's recognition to its first window.",
            buckets=WAIT_BUCKETS_S,
            registry=registry,
        )
        self._factor = Histogram(
            "gantry_speech_real_time_factor",
            "Seconds of audio transcribed in a second, by recording.",
            buckets=FACTOR_BUCKETS,
            registry=registry,
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
