"""What travels between the service and its engine processes.

The listener hears where speech is and computes features; the recogniser turns one window of at
most thirty seconds into text. Both are batched over all requests, so nothing here knows of one.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000
FRAME_SAMPLES = 512
"""Silero VAD gives one probability for each 32 ms."""

FloatArray = NDArray[np.float32]
Task = Literal["transcribe", "translate"]

LISTEN = "listen"
FEATURES = "features"
"""Batch keys of the listener: what is wanted of its samples."""


@dataclass(frozen=True)
class VadState:
    """What the voice activity detector remembers between two pieces of one recording."""

    hidden: FloatArray  # (1, 1, 128)
    cell: FloatArray  # (1, 1, 128)
    context: FloatArray  # (64,), the last samples heard


@dataclass(frozen=True)
class ListenTask:
    """A piece of a recording, in which speech is looked for."""

    samples: FloatArray  # (n_samples,), a multiple of FRAME_SAMPLES
    state: VadState | None = None  # None at the beginning of a recording


@dataclass(frozen=True)
class Heard:
    """Probability of speech in each frame."""

    probabilities: FloatArray  # (n_frames,)
    state: VadState


@dataclass(frozen=True)
class FeatureTask:
    """A window whose features are wanted."""

    samples: FloatArray  # (n_samples,), mono, 16 kHz
    n_mels: int


@dataclass(frozen=True)
class DecodeOptions:
    """How a window is decoded. Windows share a batch only if these are equal: the batch key."""

    beam_size: int = 5  # of the first attempt; sampling ignores it
    temperature: float = 0.0  # 0 searches, above it samples
    best_of: int = 5  # samples drawn at a temperature above 0
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0  # 0: repeats are allowed
    max_new_tokens: int = 224  # of one window; half of Whisper's context
    is_encoded: bool = False  # the task holds encoder states instead of features


@dataclass(frozen=True)
class WindowTask:
    """One window of speech to be recognised."""

    audio: FloatArray  # (n_mels, n_frames) log-mel of the window, or (n_states, width) if encoded
    duration_s: float  # of the window itself, at most 30
    language: str | None = None  # None: found out from the audio
    languages: tuple[str, ...] = ()  # among which it is found out; empty: all of the model
    task: Task = "transcribe"
    prompt: str = ""  # text that came before, or that shows the style wanted
    hotwords: str = ""  # words that are likely to occur
    has_words: bool = False  # also time each word


@dataclass(frozen=True)
class SpokenSegment:
    """A stretch of text between two time marks of the model."""

    start_s: float  # from the beginning of the window
    end_s: float
    text: str
    tokens: list[int]  # text and time tokens


@dataclass(frozen=True)
class SpokenWord:
    """One word with its times."""

    text: str  # with the space that stands before it
    start_s: float  # from the beginning of the window
    end_s: float
    probability: float
    segment: int  # index of its segment
    tokens: list[int]  # text tokens alone


@dataclass(frozen=True)
class TokenScore:
    """How likely a text token was, given the ones before it."""

    text: str
    utf8: list[int]  # its bytes
    logprob: float


@dataclass(frozen=True)
class WindowResult:
    """What was said in one window."""

    segments: list[SpokenSegment]
    language: str
    language_probability: float  # 1 if the language was given
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    temperature: float
    is_loop: bool  # the model repeated itself to the end
    words: list[SpokenWord]
    scores: list[TokenScore]
    encoded: FloatArray | None = None  # for a further attempt, where encoding again costs more

    @property
    def text(self) -> str:
        """The whole text, stripped."""
        return "".join(segment.text for segment in self.segments).strip()


RECORD_TYPES: tuple[type[Any], ...] = (
    VadState, ListenTask, Heard, FeatureTask, DecodeOptions, WindowTask, SpokenSegment, SpokenWord,
    TokenScore, WindowResult,
)  # fmt: skip
