"""The work that every server does, from one place, so that only the serving layer differs.

``decode`` turns a body into an item and refuses a bad one with ``ValueError``; ``run`` turns a
batch of items into bodies of answers.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from benchmarks.batching.options import ServerOptions
from benchmarks.batching.simulated_device import SimulatedDevice

Item = Any
"""A decoded request; each work has its own kind."""


class Work(Protocol):
    """What is served."""

    def decode(self, body: bytes) -> Item:
        """Check a body."""
        ...

    def run(self, items: Sequence[Item]) -> list[bytes]:
        """Answer a batch; raises for the whole of it."""
        ...


def make_work(options: ServerOptions) -> Work:
    """The work that the options name."""
    if options.work == "device":
        return SimulatedDevice(options)
    from benchmarks.batching.tolerance_work import ToleranceWork  # needs xgboost

    return ToleranceWork()
