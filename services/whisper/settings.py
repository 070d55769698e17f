"""Settings of the speech service (``WHISPER_…``)."""

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.cache_settings import CachedServiceSettings


class WhisperSettings(CachedServiceSettings):
    """What the speech service can be told."""

    model_config = SettingsConfigDict(env_prefix="WHISPER_")

    compute_type: Literal[
        "auto", "float32", "float16", "bfloat16", "int8", "int8_float16", "int8_float32"
    ] = Field(
        "auto", description="Number format of the weights; auto: float16 on a GPU, int8 on a CPU."
    )
    beam_size: int = Field(
        5, ge=1, le=10, description="Beams of the search when a request names none; 1 is greedy."
    )
    max_batch_size: int = Field(
        0,
        ge=0,
        le=128,
        description="Most windows in one batch; 0 measures at start what pays on a CPU, and takes "
        "16 on a GPU.",
    )
    replicas: int = Field(
        0,
        ge=0,
        le=256,
        description="Replicas of the model on a CPU, which share its weights and WHISPER_THREADS, "
        "and take windows side by side; 0: two on two cores, on more as many as are measured to "
        "pay at start.",
    )
    max_new_tokens: int = Field(224, ge=1, le=224, description="Most tokens of one window's text.")
    max_attempts: int = Field(
        7, ge=1, le=7, description="Most attempts at a window whose text is poor; 1: never again."
    )
    windows_in_flight: int = Field(
        8, ge=1, le=64, description="Windows of one request that wait or run at the same time."
    )
    max_audio_s: float = Field(
        12 * 3600.0, gt=0, description="Longest recording, in s; beyond it 413."
    )
    max_channels: int = Field(8, ge=1, le=64, description="Most channels of a recording.")
    media_workers: int = Field(2, ge=1, le=32, description="Processes that decode media.")
    deadline_ms: int = Field(
        600_000,
        ge=10,
        le=86_400_000,
        description="Time a request may take if it names none, in ms.",
    )
    max_body_bytes: int = Field(
        512 * 2**20, ge=1024, description="Largest request body, in bytes; beyond it 413."
    )
