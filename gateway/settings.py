"""What the gateway can be told through the environment; all of it is static while it runs."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, StringConstraints
from pydantic_settings import SettingsConfigDict

from shared.settings import ProcessSettings

ServiceName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class GatewaySettings(ProcessSettings):
    """Settings of the gateway's process."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    port: int = Field(
        8080, ge=0, le=65535, description="TCP port to listen on; 0 picks a free one."
    )
    admin_host: str = Field("127.0.0.1", description="Address of the admin listener.")
    admin_port: int = Field(
        8081, ge=0, le=65535, description="TCP port of the admin listener; 0 turns it off."
    )
    state_dir: Path = Field(
        Path("var/gateway"), description="Folder of the database: keys, splits, jobs."
    )
    upstreams: dict[ServiceName, str] = Field(
        default_factory=dict,
        description="Addresses of a service's replicas, as GATEWAY_UPSTREAMS__<NAME>: "
        "http://host:port or dns://name:port, separated by commas.",
    )
    api_key: SecretStr | None = Field(
        None,
        min_length=24,
        description="A key that opens everything and is not in the database; for containers.",
    )
    internal_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="Token that the services ask for (their <NAME>_INTERNAL_TOKEN).",
    )
    access_log: Literal["all", "errors", "off"] = Field(
        "all", description="Which inference requests get a line in the log."
    )
    direct: bool = Field(
        True,
        description="Answer plain requests on the spot where a replica can take them at once; "
        "false gives each a task of its own, which changes no answer and is for comparing.",
    )
    head_timeout_s: float = Field(
        10.0, gt=0, le=600, description="Longest time a request's head may take, in s."
    )
    probe_interval_s: float = Field(
        1.0, gt=0, le=60, description="Pause between readiness probes of a replica, in s."
    )
    probe_timeout_s: float = Field(
        2.0, gt=0, le=60, description="Longest wait for the answer to a probe, in s."
    )
    resolve_interval_s: float = Field(
        5.0, gt=0, le=3600, description="Pause between look-ups of a dns:// name, in s."
    )
    connect_timeout_s: float = Field(
        2.0, gt=0, le=60, description="Longest wait for a connection to a replica, in s."
    )
    keepalive_s: float = Field(
        4.0,
        gt=0,
        le=600,
        description="How long an idle connection to a replica is kept, in s; "
        "must be below what the service itself allows (5 s).",
    )
    hold_s: float = Field(
        30.0,
        ge=0,
        le=600,
        description="How long requests wait for a service that was ready a moment ago, in s.",
    )
    admission_wait_s: float = Field(
        10.0, ge=0, le=600, description="Longest wait for a place in a service under load, in s."
    )
    jobs_per_service: int = Field(
        4, ge=1, le=1000, description="Most jobs of one service that run at a time."
    )
    job_timeout_s: float = Field(
        21_600.0, gt=0, le=86_400, description="Time a job may take if it names none, in s."
    )
    job_lease_s: float = Field(
        15.0,
        ge=1,
        le=600,
        description="After how long a job of a process that died is taken over, in s.",
    )
    job_ttl_s: float = Field(
        86_400.0, gt=0, description="How long the result of a job is kept, in s."
    )
    replay_memory_bytes: int = Field(
        2**20, ge=0, description="Bytes of a body kept in memory for another attempt."
    )
    replay_spool_bytes: int = Field(
        512 * 2**20,
        ge=0,
        description="Bytes of a body kept on disk for another attempt; a larger body gets one "
        "attempt only.",
    )
    spool_dir: Path | None = Field(
        None, description="Folder for bodies that are kept; default: the system's."
    )
