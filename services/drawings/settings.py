"""Settings of the drawings service (prefix ``DRAWINGS_``)."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import HttpSettings


class DrawingsSettings(HttpSettings):
    """What an operator can set."""

    model_config = SettingsConfigDict(env_prefix="DRAWINGS_")

    gateway_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/]+$",
        description="Base address of the gateway, for example http://127.0.0.1:8080. Without it, "
        "what needs another service is left out and the answer says so.",
    )
    max_pages: int = Field(50, ge=1, le=1000, description="Most pages of a PDF in one request.")
    max_pixels: int = Field(
        100_000_000, ge=1024, description="Most pixels of a picture or rendered page."
    )
    tile_size: int = Field(
        1280,
        ge=256,
        le=4096,
        description="Longest side of the tiles in which text is searched, in pixels.",
    )
    media_workers: int = Field(2, ge=1, le=64, description="Processes that decode files.")
    deadline_ms: int = Field(
        300_000,
        ge=10,
        le=86_400_000,
        description="Time a request may take if it names none, in ms.",
    )
