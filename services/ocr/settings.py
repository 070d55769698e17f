"""Settings of the OCR service (prefix ``OCR_``)."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.cache_settings import CachedServiceSettings


class OcrSettings(CachedServiceSettings):
    """What an operator can set."""

    model_config = SettingsConfigDict(env_prefix="OCR_")

    engine: Literal["rapidocr", "paddleocr"] = Field(
        "rapidocr",
        description="Library that runs the models: RapidOCR or PaddleOCR.",
    )
    runtime: Literal["auto", "onnxruntime", "openvino"] = Field(
        "auto",
        description="Runtime below RapidOCR. auto: on a CPU the faster, measured at start, if it "
        "answers alike; OpenVINO runs on the CPU only, in bfloat16 where the CPU can.",
    )
    model_dir: Path | None = Field(
        None,
        description="Folder of model folders, each with an `inference.yml` that names it; "
        "they take the place of the catalogue's.",
    )
    languages: list[str] = Field(
        [],
        description="Languages (ISO 639-1, a JSON list) of requests that name none; empty: those "
        "of all installed models, demo models aside.",
    )
    max_pages: int = Field(100, ge=1, le=10_000, description="Most pages of a PDF in one request.")
    max_pixels: int = Field(
        100_000_000, ge=1024, description="Most pixels of a picture or rendered page."
    )
    media_workers: int = Field(2, ge=1, le=64, description="Processes that decode files.")
    deadline_ms: int = Field(
        300_000,
        ge=10,
        le=86_400_000,
        description="Time a request may take if it names none, in ms.",
    )
