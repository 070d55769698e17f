"""A device whose cost is known, so that scheduling alone is compared; its faults are scripted."""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from benchmarks.batching.options import ServerOptions


class SimulatedDevice:
    """Sleeps ``fixed_ms + per_weight_ms * weight`` under a lock; fails as items tell it to.

    Items are {"id", "weight", "kind"}; kind is ``good``, ``bad`` (fails its batch), ``slow`` (takes
    half a second more) or ``hang``.
    """

    def __init__(self, options: ServerOptions) -> None:
        """Note the process, so that it can be killed."""
        self._options, self._lock = options, Lock()
        self._runs = Path(options.runs_file) if options.runs_file else None
        self._note({"pid": os.getpid()})

    def decode(self, body: bytes) -> dict[str, Any]:
        """Check an item."""
        item: dict[str, Any] = json.loads(body)
        if not isinstance(item, dict) or not 0 < item["weight"] < 1e6:
            raise ValueError("weight must be positive")
        return item

    def run(self, items: Sequence[dict[str, Any]]) -> list[bytes]:
        """Run a batch."""
        with self._lock:
            weight = sum(each["weight"] for each in items)
            self._note({"ids": [each["id"] for each in items], "weight": weight})
            if weight > self._options.memory_weight:
                raise MemoryError("simulated device: out of memory")
            time.sleep((self._options.fixed_ms + self._options.per_weight_ms * weight) / 1000)
            kinds = {each["kind"] for each in items}
            if "slow" in kinds:
                time.sleep(0.5)
            if "hang" in kinds:
                time.sleep(3600)
            if "bad" in kinds:
                raise ArithmeticError("one item of the batch is bad")
        return [json.dumps({"id": each["id"]}).encode() for each in items]

    def _note(self, fact: dict[str, Any]) -> None:
        if self._runs is not None:
            with self._runs.open("a") as file:
                file.write(json.dumps(fact) + "\n")
