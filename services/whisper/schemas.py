"""Options of the speech endpoints and their answers, in the names of OpenAI's API."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from services.whisper.languages import NAMES, language_code

ResponseFormat = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]
MAX_PROMPT_CHARACTERS = 8000


class TranslationOptions(BaseModel):
    """Fields of ``POST /v1/audio/translations``; unknown ones are ignored, as OpenAI adds many."""

    model_config = ConfigDict(extra="ignore")

    model: str = Field("whisper-1", description="whisper-1 is the model that is loaded.")
    prompt: str = Field(
        "",
        max_length=MAX_PROMPT_CHARACTERS,
        description="Text that came before, or that shows the style wanted; its end counts.",
    )
    response_format: ResponseFormat = Field("json", description="Form of the answer.")
    temperature: float = Field(
        0.0, ge=0, le=1, description="0 searches, and rises by itself where the text is poor."
    )
    beam_size: int | None = Field(None, ge=1, le=10, description="Beams of the search.")
    hotwords: str = Field(
        "", max_length=MAX_PROMPT_CHARACTERS, description="Words that are likely to occur."
    )
    vad: bool = Field(True, description="Leave out what is not speech.")


class TranscriptionOptions(TranslationOptions):
    """Fields of ``POST /v1/audio/transcriptions``."""

    language: str | None = Field(
        None, description="ISO 639-1 code or English name; found out when left out."
    )
    languages: list[str] = Field([], description="Among which the language is found out.")
    timestamp_granularities: list[Literal["word", "segment"]] = Field(
        [], description="Times wanted in verbose_json."
    )
    stream: bool = Field(False, description="Answer with server-sent events.")
    include: list[Literal["logprobs"]] = Field([], description="logprobs, with json only.")
    keywords: list[str] = Field([], description="Same as hotwords, as a list.")
    chunking_strategy: Literal["auto", "server_vad"] | None = Field(
        None, description="Accepted; recordings are always cut at pauses."
    )
    diarize: bool = Field(False, description="Not supported yet.")

    @field_validator("language", mode="before")
    @classmethod
    def _known_language(cls, value: Any) -> Any:  # noqa: ANN401 - pydantic gives what came
        return _code(value) if value else None

    @field_validator("languages", mode="after")
    @classmethod
    def _known_languages(cls, value: list[str]) -> list[str]:
        return [_code(each) for each in value]

    @field_validator("include")
    @classmethod
    def _include_fits_format(cls, value: list[str], info: ValidationInfo) -> list[str]:
        if value and info.data.get("response_format", "json") != "json":
            raise ValueError("logprobs need response_format=json")
        return value

    @field_validator("timestamp_granularities")
    @classmethod
    def _times_fit_format(cls, value: list[str], info: ValidationInfo) -> list[str]:
        if "word" in value and info.data.get("response_format") not in ("verbose_json", None):
            raise ValueError("times of words need response_format=verbose_json")
        return value

    @property
    def wants_words(self) -> bool:
        """Whether words are to be timed."""
        return "word" in self.timestamp_granularities

    @property
    def wants_segments(self) -> bool:
        """Whether segments are to be answered: by default, and where they are named."""
        return "segment" in self.timestamp_granularities or not self.timestamp_granularities


def _code(value: Any) -> str:  # noqa: ANN401 - whatever the client sent
    code = language_code(value) if isinstance(value, str) else None
    if code is None:
        raise ValueError(f"{value!r} is not a language; use an ISO 639-1 code such as 'en'")
    return code


LanguageCode = Annotated[str, Field(examples=list(NAMES)[:3])]


class Usage(BaseModel):
    """What the request is counted as."""

    type: Literal["duration"] = "duration"
    seconds: float


class TokenLogprob(BaseModel):
    """Natural logarithm of a token's probability, given the audio and the text before it."""

    token: str
    bytes: list[int]
    logprob: float


class JsonAnswer(BaseModel):
    """``response_format=json``."""

    text: str
    logprobs: list[TokenLogprob] | None = None
    usage: Usage


class QualityAnswer(BaseModel):
    """How the text of a segment's window came about."""

    attempts: int = Field(description="Times that the window was decoded.")
    has_loop: bool = Field(description="The text still ends in a repetition.")
    dropped_words: int = Field(description="Words left out because nobody speaks at their place.")


class QualityReport(BaseModel):
    """How the text of the whole recording came about."""

    windows: int = Field(description="Parts that went through the model.")
    fallbacks: int = Field(description="Further attempts at windows whose text was poor.")
    loops: int = Field(description="Windows whose text still ends in a repetition.")
    silent_windows: int = Field(description="Windows in which the model itself heard nobody.")
    dropped_words: int = Field(description="Words left out because nobody speaks at their place.")


class SegmentAnswer(BaseModel):
    """A stretch of text; times in seconds."""

    id: int
    seek: int = Field(description="Start of its window, in frames of 10 ms.")
    start: float
    end: float
    text: str
    tokens: list[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    language: LanguageCode
    quality: QualityAnswer


class WordAnswer(BaseModel):
    """A word; times in seconds."""

    word: str
    start: float
    end: float
    probability: float


class VerboseAnswer(BaseModel):
    """``response_format=verbose_json``."""

    task: Literal["transcribe", "translate"]
    language: str | None = Field(description="English name; null when nobody speaks.")
    duration: float = Field(description="Length of the recording, in s.")
    text: str
    segments: list[SegmentAnswer] | None = None
    words: list[WordAnswer] | None = None
    quality: QualityReport
    usage: Usage
