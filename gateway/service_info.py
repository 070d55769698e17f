"""What a service tells about itself at ``GET /info``, checked before the gateway acts on it."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class OfferedPath(BaseModel):
    """One inference path of a service."""

    model_config = ConfigDict(frozen=True)

    path: str = Field(pattern=r"^/[^?#\s]*$")  # may hold {name} for one segment
    method: str = Field(pattern=r"^[A-Z]+$")
    max_body_bytes: int = Field(ge=0)
    default_deadline_ms: int = Field(ge=1)
    stream: bool = False  # may answer with server-sent events
    job: bool = True  # may run as a job
    replayable: bool = True  # running it twice does no harm


class ServiceInfo(BaseModel):
    """A service: its name, version, paths, schema and models."""

    model_config = ConfigDict(frozen=True)

    service: str
    version: str
    openapi: dict[str, Any] = Field(default_factory=dict)
    paths: tuple[OfferedPath, ...] = ()
    models: tuple[dict[str, Any], ...] = ()


class QueueState(BaseModel):
    """How much work waits in a replica."""

    items: int = 0
    predicted_wait_ms: float = 0.0


class Readiness(BaseModel):
    """Answer of a service's ``GET /readyz``, with status 200 or 503."""

    model_config = ConfigDict(frozen=True)

    ready: bool
    service: str
    version: str
    queue: QueueState = QueueState()
    memory: dict[str, float | None] = Field(default_factory=dict)
    engines: tuple[dict[str, Any], ...] = ()
