"""What the engines' processes are told, and what they share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.ocr.weights import Weights, WeightSet, find_weights
from shared.cgroup import usable_cores
from shared.engine import EngineInfo
from shared.gpu.device import Device


@dataclass(frozen=True)
class EngineOptions:
    """Settings that concern an engine; travels as JSON."""

    model: str = "auto"
    models_dir: str = "models"
    model_dir: str | None = None
    device: str = "auto"
    runtime: str = "auto"
    threads: int = 0

    @classmethod
    def from_json(cls, options: Mapping[str, Any]) -> "EngineOptions":
        """Read what the parent process sent."""
        return cls(**options)

    def weights(self) -> WeightSet:
        """Find the weights.

        Raises:
            ModelMissing: a file is not on this machine.
        """
        own = None if self.model_dir is None else Path(self.model_dir)
        return find_weights(self.model, Path(self.models_dir), own)

    def thread_count(self) -> int:
        """Threads of one network."""
        return self.threads or usable_cores()


def detector_info(weights: Weights, device: Device, runtime: str, compute_type: str) -> EngineInfo:
    """How a detector presents itself."""
    return EngineInfo(
        weights.name,
        device.name,
        compute_type,
        fallback_reason=device.fallback_reason,
        device_reason=device.reason,
        demo=weights.demo,
        licence=weights.licence,
        details=(("task", "text detection"), ("runtime", runtime), ("digest", weights.digest())),
    )


def recogniser_info(
    weights: Sequence[Weights], device: Device, runtime: str, compute_type: str
) -> EngineInfo:
    """How a set of recognisers presents itself; ``details`` lists each with its languages."""
    listed = [
        {
            "name": each.name,
            "languages": sorted(each.languages),
            "demo": each.demo,
            "licence": each.licence,
            "digest": each.digest(),
        }
        for each in weights
    ]
    first = weights[0]
    return EngineInfo(
        first.name,
        device.name,
        compute_type,
        fallback_reason=device.fallback_reason,
        device_reason=device.reason,
        demo=first.demo,
        licence=first.licence,
        details=(("task", "text recognition"), ("runtime", runtime), ("recognisers", listed)),
    )
