"""Settings of a process: read once from the environment, checked, documented.

Each process has one subclass whose prefix is its folder's name (``OCR_DEVICE``). An unknown
variable with the prefix or a bad value stops the start, so that a typing mistake is never silently
ignored. ``python -m shared.settings services.ocr.settings:OcrSettings`` prints the table for the
README.
"""

import importlib
import ipaddress
import os
import sys
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.log import AccessLog, LogOptions

DeviceName = Annotated[str, Field(pattern=r"^(auto|cpu|cuda|cuda:\d{1,2})$")]


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class SettingsError(Exception):
    """A variable is unknown or its value is bad; the text says which and what is right."""


class ProcessSettings(BaseSettings):
    """What every Gantry process can be told."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_nested_delimiter="__")

    library_variables: ClassVar[frozenset[str]] = frozenset()
    """Variables that share the prefix but belong to a third-party library."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(
        8000, ge=0, le=65535, description="TCP port to listen on; 0 picks a free one."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Lowest level that is logged."
    )
    log_format: Literal["text", "json"] = Field("text", description="Form of a log line.")
    quiet: bool = Field(True, description="Hold third-party libraries to warnings in the log.")

    @property
    def log_options(self) -> LogOptions:
        """How this process and its children log."""
        return LogOptions(self.log_level, self.log_format, self.quiet)

    @classmethod
    def prefix(cls) -> str:
        """The prefix of this process's variables, upper case, with the underscore."""
        return (cls.model_config.get("env_prefix") or "").upper()

    @classmethod
    def from_environment(cls) -> Self:
        """Read and check the settings.

        Raises:
            SettingsError: a variable is unknown, or a value is out of its range.
        """
        known = set(cls.model_fields)
        for name in sorted(os.environ):
            if not name.upper().startswith(cls.prefix()) or name in cls.library_variables:
                continue
            field = name[len(cls.prefix()) :].lower().split("__")[0]
            if field not in known:
                raise SettingsError(
                    f"unknown setting {name}; known are "
                    + ", ".join(cls.prefix() + each.upper() for each in sorted(known))
                )
        try:
            return cls()
        except ValidationError as error:
            faults = "; ".join(
                cls.prefix() + "__".join(map(str, fault["loc"])).upper() + ": " + fault["msg"]
                for fault in error.errors()
            )
            raise SettingsError(f"bad setting: {faults}") from None


class EngineSettings(ProcessSettings):
    """What every process with an engine can be told of it."""

    device: DeviceName = Field(
        "auto",
        description="Where the model runs: auto, cpu, cuda or cuda:N. auto falls back to CPU.",
    )
    model: str = Field("auto", description="Name of an installed model, or a path to weights.")
    models_dir: Path = Field(Path("models"), description="Folder of the installed models.")
    threads: int = Field(
        0, ge=0, le=256, description="CPU threads of the engine; 0 takes the CPU quota."
    )
    max_batch_size: int = Field(8, ge=1, le=1024, description="Most items in one batch.")
    batch_wait: Literal["auto", "fixed", "off"] = Field(
        "auto",
        description="Whether an idle engine waits for a fuller batch: only while measurements say "
        "that it pays, always MAX_BATCH_WAIT_MS, or never.",
    )
    max_batch_wait_ms: float = Field(5.0, ge=0, le=1000, description="Longest such wait, in ms.")
    isolate_failures: bool = Field(
        True, description="Run a failed batch again in halves, so that one bad item fails alone."
    )
    learn_memory_cap: bool = Field(
        True, description="Keep batches below the weight at which the device ran out of memory."
    )
    optimized: bool = Field(
        True,
        description="false runs one item at a time, without batching and its learning: to compare, "
        "or to roll back behaviour.",
    )
    max_queue_items: int = Field(
        256, ge=1, description="Most items waiting before 503 is answered."
    )
    recycle_after_batches: int = Field(
        0,
        ge=0,
        description="Batches after which an engine is replaced by a fresh one, without a gap; 0: "
        "only when its memory keeps growing.",
    )
    idle_unload_s: float = Field(
        0,
        ge=0,
        description="Time without work, in s, after which the model is unloaded; the next request "
        "loads it again, and waits for that. 0: never.",
    )
    gpu_memory_budget_bytes: int | None = Field(
        None,
        ge=2**20,
        description="Most memory of its GPU, in bytes, that the engines of this service hold "
        "together; default: what other services leave.",
    )
    memory_budget_bytes: int | None = Field(
        None,
        ge=2**20,
        description="The same for the memory of engines on the CPU; default: no budget.",
    )
    memory_wait_s: float = Field(
        60.0,
        ge=0,
        le=3600,
        description="Longest wait of a load for memory that others hold, in s; beyond it the load "
        "has failed and is tried again later, or on the CPU.",
    )
    memory_idle_s: float = Field(
        30.0,
        ge=0,
        description="Time without work, in s, after which another load may ask an engine to go; it "
        "comes back with its next request.",
    )
    memory_dir: Path | None = Field(
        None,
        description="Folder where the processes that share a device keep account of its memory; "
        "default: one of this user in the system's temporary folder.",
    )


class EngineProcessSettings(EngineSettings):
    """What can be told besides where engines run in processes of their own."""

    max_lanes: int = Field(
        1,
        ge=1,
        le=16,
        description="Most engine processes side by side. More than 1 lets a probe at the start "
        "find how many raise the throughput, within memory; the start takes as much longer.",
    )
    engine_timeout_s: float = Field(
        300.0, gt=0, description="Longest run of one batch, in s; then the engine is restarted."
    )
    recycle_above_bytes: int = Field(
        0,
        ge=0,
        description="Resident memory, in bytes, above which an engine's process is replaced "
        "by a fresh one; 0: no such bound.",
    )


class HttpSettings(ProcessSettings):
    """What every service can be told of its requests, whether it has an engine or not."""

    max_body_bytes: int = Field(
        64 * 2**20, ge=1024, description="Largest request body, in bytes; beyond it 413."
    )
    deadline_ms: int = Field(
        60_000, ge=10, le=86_400_000, description="Time a request may take if it names none, in ms."
    )
    spool_dir: Path | None = Field(
        None, description="Folder for uploads being read; default: the system's."
    )
    access_log: AccessLog = Field(
        "errors",
        description="Which requests get a line in the log; the gateway writes one for each of all.",
    )
    internal_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="Token that the gateway must send as X-Internal-Token. Needed to listen beyond "
        "the loopback and for /admin.",
    )


class ServiceSettings(HttpSettings, EngineProcessSettings):
    """What an inference service can be told whose engines run in processes of their own."""


def settings_table(settings: type[ProcessSettings]) -> str:
    """A Markdown table of every variable, its type, default and meaning."""
    rows = ["| variable | type | default | meaning |", "|---|---|---|---|"]
    for name, field in settings.model_fields.items():
        kind = settings.model_json_schema()["properties"][name]
        shown = kind.get("type") or "/".join(
            option.get("type", "object")
            for option in kind.get("anyOf", [{"type": "one of a list"}])
        )
        if "enum" in kind:
            shown = " / ".join(f"`{value}`" for value in kind["enum"])
        default = "" if field.default is None else f"`{field.default}`"
        if field.default_factory is not None:
            default = ""
        rows.append(
            f"| `{settings.prefix()}{name.upper()}` | {shown} | {default} | {field.description} |"
        )
    return "\n".join(rows)


def _main(argv: list[str]) -> None:
    module, _, name = argv[1].partition(":")
    settings: Any = getattr(importlib.import_module(module), name)
    sys.stdout.write(settings_table(settings) + "\n")


if __name__ == "__main__":
    _main(sys.argv)
