"""What a service must give to have its model hosted: an engine with four small methods.

An engine knows its model and nothing of HTTP, queues or processes. Lanes (``shared.lanes``) run
it, the batcher (``shared.batching``) decides what it runs next.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class EngineInfo:
    """What a loaded engine says of itself."""

    model: str  # name, as in X-Model and /v1/models
    device: str  # "cpu" or "cuda:N"
    compute_type: str = "float32"  # float32, float16, int8, …
    fallback_reason: str | None = None  # why it is on the CPU though there is a GPU
    device_reason: str = ""  # why it is on this device, for whoever runs the service
    demo: bool = False  # weights of our own, made to try the system out
    licence: str = ""  # of the weights
    max_batch_size: int | None = None  # where its start-up probe found that more does not pay
    details: tuple[tuple[str, Any], ...] = ()  # what else /v1/models shows, as (name, value)

    def __str__(self) -> str:
        """For the log: model, device and type."""
        return f"{self.model} on {self.device} ({self.compute_type})"


class Engine(Protocol):
    """Runs one model. Called from one thread at a time."""

    def load(self) -> EngineInfo:
        """Load weights onto the device.

        Raises:
            ModelMissing: a file is not on this machine.
            DeviceUnavailable: the device that the settings name cannot be used.
        """
        ...

    def warm_up(self) -> None:
        """Run a golden example and check its answer.

        Raises:
            EngineError: the answer is wrong; this model must not take traffic.
        """
        ...

    def run(self, key: Hashable, payloads: Sequence[Any]) -> Sequence[Any]:
        """Run one batch.

        Args:
            key: what all items of the batch have in common (shape bucket, options).
            payloads: the items.

        Returns:
            For each payload, in order, its result or the exception that this item alone met.
        """
        ...

    def close(self) -> None:
        """Free what ``load`` took."""
        ...
