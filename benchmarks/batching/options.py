"""What a server under test is told, through variables ``BENCH_*`` of its environment."""

import os
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True)
class ServerOptions:
    """One configuration of one server."""

    work: str = "tolerance"  # or "device"
    port: int = 0
    max_batch: int = 8
    workers: int = 1  # processes that run the model
    wait_ms: float = 0.0  # longest wait of a server that waits for a fuller batch
    timeout_s: float = 30.0  # of a request
    hang_s: float = 30.0  # longest run of a batch, where the server has such a limit
    fixed_ms: float = 8.0  # simulated device: cost of a batch
    per_weight_ms: float = 1.0  # simulated device: cost of a unit of weight
    memory_weight: float = 1e9  # simulated device: a heavier batch runs out of memory
    runs_file: str = ""  # simulated device: where it notes its process and what it ran

    def environ(self) -> dict[str, str]:
        """The options as variables."""
        return {f"BENCH_{name.upper()}": str(value) for name, value in asdict(self).items()}

    @classmethod
    def from_environment(cls) -> "ServerOptions":
        """Read them back."""
        kinds = {"str": str, "int": int, "float": float}
        given = {
            each.name: kinds[str(each.type if isinstance(each.type, str) else each.type.__name__)](
                os.environ[f"BENCH_{each.name.upper()}"]
            )
            for each in fields(cls)
        }
        return cls(**given)
