"""One model on the cores of a CPU: a few threads for each of several replicas.

CTranslate2's replicas share the weights, and each runs what a thread of ours asks of the model. A
single window hardly speeds up with threads in a small model: its many small steps leave them
waiting for each other. Windows side by side do.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import ctranslate2

from shared.gpu.device import Device

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Split:
    """How cores are divided."""

    replicas: int
    threads: int  # of each


def even_splits(cores: int) -> Iterator[Split]:
    """Ways to use ``cores`` evenly, from two replicas to one for each core.

    A single replica is offered only where there is one core: what the last doubling of its threads
    gains for a window alone is little beside what a second replica gains for all others, and it
    looks like more on a machine that is busy with starting.
    """
    for count in range(min(cores, 2), cores + 1):
        if cores % count == 0:
            yield Split(count, cores // count)


class Replicas:
    """A loaded model and the threads that keep its replicas busy."""

    def __init__(self, folder: Path, device: Device, *, compute_type: str, split: Split) -> None:
        """Load the model.

        Raises:
            RuntimeError: CTranslate2 cannot load it.
            ValueError: likewise.
        """
        self.split = split
        self.model: Any = ctranslate2.models.Whisper(
            str(folder),
            device="cuda" if device.is_gpu else "cpu",
            device_index=device.index,
            compute_type=compute_type,
            inter_threads=split.replicas,
            intra_threads=split.threads,
        )
        self._threads = ThreadPoolExecutor(split.replicas, thread_name_prefix="replica")

    def spread(
        self, run: Callable[[Sequence[Item]], Sequence[Result]], items: Sequence[Item]
    ) -> list[Result]:
        """Run parts of ``items`` side by side, one for each replica at most.

        Args:
            run: calls the model for some items and gives one result for each, in their order.
            items: at least one.
        """
        count = min(self.split.replicas, len(items))
        if count == 1:
            return list(run(items))
        bounds = [len(items) * number // count for number in range(count + 1)]
        parts = [items[start:end] for start, end in zip(bounds, bounds[1:], strict=False)]
        running = [self._threads.submit(run, part) for part in parts]
        wait(running)  # a part that fails must not leave others behind
        return [each for future in running for each in future.result()]

    def close(self) -> None:
        """Free the weights."""
        self._threads.shutdown()
        self.model.unload_model()
