"""From windows to the transcript of a recording. Plain functions on plain data."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from services.whisper.heard import Stretch, drop_unheard
from services.whisper.quality import Quality
from services.whisper.tasks import SAMPLE_RATE_HZ, TokenScore, WindowResult
from services.whisper.windows import Window

FRAMES_PER_S = 100


@dataclass(frozen=True)
class Segment:
    """A stretch of text with its place in the recording."""

    start_s: float
    end_s: float
    text: str
    tokens: list[int]
    seek: int  # frame of 10 ms at which its window begins
    language: str
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    quality: Quality


@dataclass(frozen=True)
class Word:
    """A word with its place in the recording."""

    text: str  # stripped
    start_s: float
    end_s: float
    probability: float


@dataclass(frozen=True)
class WindowTranscript:
    """What one window adds to the transcript."""

    segments: list[Segment]
    words: list[Word]
    scores: list[TokenScore]
    language: str
    language_probability: float
    end_s: float
    quality: Quality

    @property
    def text(self) -> str:
        """Text of the window as the model spaced it."""
        return "".join(segment.text for segment in self.segments)


@dataclass
class Transcript:
    """The transcript of a recording, window by window."""

    duration_s: float = 0.0
    parts: list[WindowTranscript] = field(default_factory=list)
    language: str | None = None  # None while nobody has spoken

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(part.text for part in self.parts).strip()

    @property
    def segments(self) -> list[Segment]:
        """All segments in order."""
        return [segment for part in self.parts for segment in part.segments]

    @property
    def words(self) -> list[Word]:
        """All words in order; empty unless they were asked for."""
        return [word for part in self.parts for word in part.words]

    @property
    def scores(self) -> list[TokenScore]:
        """Scores of all text tokens in order."""
        return [score for part in self.parts for score in part.scores]


def placed(window: Window, result: WindowResult, quality: Quality) -> WindowTranscript:
    """Put a window's text at its place in the recording.

    A text that the model itself takes for silence is dropped, and what is written where nobody
    speaks.
    """
    start_s, length_s = window.start_s, window.span.duration_s
    result, dropped = drop_unheard(result, stretches(window))
    quality = replace(quality, dropped_words=dropped)
    keeps_text = not quality.is_silence
    segments = [
        Segment(
            round(start_s + each.start_s, 3),
            round(start_s + min(each.end_s, length_s), 3),
            each.text,
            list(each.tokens),
            seek=round(start_s * FRAMES_PER_S),
            language=result.language,
            temperature=result.temperature,
            avg_logprob=result.avg_logprob,
            compression_ratio=result.compression_ratio,
            no_speech_prob=result.no_speech_prob,
            quality=quality,
        )
        for each in result.segments
        if keeps_text and each.text.strip()
    ]
    words = [
        Word(
            each.text.strip(),
            round(start_s + min(each.start_s, length_s), 3),
            round(start_s + min(each.end_s, length_s), 3),
            each.probability,
        )
        for each in result.words
        if keeps_text and each.text.strip()
    ]
    return WindowTranscript(
        segments,
        words,
        list(result.scores) if keeps_text else [],
        result.language,
        result.language_probability,
        start_s + length_s,
        quality,
    )


def stretches(window: Window) -> list[Stretch]:
    """Where somebody speaks in a window, in seconds from its beginning."""
    first = window.span.start
    return [
        Stretch((each.start - first) / SAMPLE_RATE_HZ, (each.end - first) / SAMPLE_RATE_HZ)
        for each in window.speech
    ]


def spoken_language(parts: Sequence[WindowTranscript]) -> str | None:
    """The language that the windows with text are most sure of together."""
    votes: dict[str, float] = defaultdict(float)
    for part in parts:
        if part.text.strip():
            votes[part.language] += part.language_probability
    return max(votes, key=lambda language: votes[language]) if votes else None
