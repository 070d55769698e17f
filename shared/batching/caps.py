"""How much weight fits the device: learnt when it runs out of memory, probed upwards slowly."""

from collections.abc import Hashable
from math import inf


class MemoryCaps:
    """Largest weight of a batch, by batch key (model and device are the batcher's own)."""

    BACK_OFF = 0.8  # of the weight that failed
    GROWTH = 1.1
    CLEAN_BATCHES = 20  # at the cap, before it is raised

    def __init__(self) -> None:
        """Start without limits."""
        self._caps: dict[Hashable, float] = {}
        self._clean: dict[Hashable, int] = {}

    def cap(self, key: Hashable) -> float:
        """Largest weight of a batch with this key; infinite while nothing failed."""
        return self._caps.get(key, inf)

    def failed(self, key: Hashable, weight: float) -> None:
        """A batch of this weight ran out of memory."""
        self._caps[key] = min(self.cap(key), self.BACK_OFF * weight)
        self._clean[key] = 0

    def succeeded(self, key: Hashable, weight: float) -> None:
        """A batch of this weight fitted; enough of them near the cap raise it a little."""
        cap = self.cap(key)
        if cap == inf or weight < 0.5 * cap:
            return
        self._clean[key] += 1
        if self._clean[key] >= self.CLEAN_BATCHES:
            self._caps[key] = self.GROWTH * cap
            self._clean[key] = 0
