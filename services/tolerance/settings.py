"""Settings of the tolerance service, prefix ``TOLERANCE_``."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import DeviceName, EngineSettings, HttpSettings


class ToleranceSettings(HttpSettings, EngineSettings):
    """What the operator can tell the tolerance service."""

    model_config = SettingsConfigDict(env_prefix="TOLERANCE_")

    device: DeviceName = Field(
        "auto",
        description="Where the model runs. auto means cpu, as a GPU is not known to pay here; cuda "
        "needs the CUDA build of xgboost.",
    )
    threads: int = Field(
        1, ge=1, le=256, description="CPU threads of one batch; more than 1 slows small batches."
    )
    max_batch_size: int = Field(256, ge=1, le=1024, description="Most requests in one batch.")
    max_batch_rows: int = Field(
        4096, ge=1, description="Most rows (parts x characteristics) in one batch of requests."
    )
    max_queue_items: int = Field(
        1024, ge=1, description="Most requests waiting before 503 is answered."
    )
    max_body_bytes: int = Field(
        4 * 2**20, ge=1024, description="Largest request body, in bytes; beyond it 413."
    )
    deadline_ms: int = Field(
        10_000, ge=10, le=86_400_000, description="Time a request may take if it names none, in ms."
    )
    fast_route: bool = Field(
        True,
        description="Answer predictions on a route without framework overhead; the answers are "
        "the same.",
    )
    share_port: bool = Field(
        False,
        description="Let other processes of the service listen on the same port: the system "
        "spreads connections over them. Each has its own queue, metrics and readiness.",
    )
    direct_route: bool = Field(
        True,
        description="Answer valid predictions without explanation in the HTTP protocol itself; the "
        "answers are the same.",
    )
    inline_below_ms: float = Field(
        1.0,
        ge=0,
        le=100,
        description="Batches that take less run on the event loop, longer ones on a thread, in ms; "
        "0 gives all to the thread.",
    )
