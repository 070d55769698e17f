"""A service under a load of mixed pictures, one in ten of them damaged, and its memory meanwhile.

What counts is the slope of the second half, when caches have filled, by an estimator that outliers
do not move (``shared.gpu.growth``).
"""

import statistics
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from benchmarks.samples import Sample
from benchmarks.serving import Served, ask
from shared.gpu.growth import theil_sen_slope

MIB = 2**20


@dataclass(frozen=True)
class Reading:
    """Memory at one moment."""

    after_s: float
    requests: int
    service_bytes: int
    children_bytes: int

    @property
    def total_bytes(self) -> int:
        """Of the service, its engines and decoders together."""
        return self.service_bytes + self.children_bytes


@dataclass
class MixedLoad:
    """What one service answered, and the memory that it needed."""

    served: Served
    readings: list[Reading] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)  # answers that should have been others
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, client: httpx.Client, sample: Sample) -> None:
        """Send one picture; several threads may."""
        try:
            status = ask(client, self.served.url, sample).status_code
        except httpx.TransportError as error:
            status, fault = 0, f"{sample.name}: {error}"
        else:
            fault = f"{sample.name}: {status}"
        is_right = 400 <= status < 500 if sample.is_bad else status == 200
        with self._lock:
            self.statuses[status] += 1
            if not is_right:
                self.wrong.append(fault)

    def read(self, after_s: float) -> None:
        """Note the memory now."""
        service, children = self.served.memory_bytes()
        self.readings.append(Reading(after_s, self.requests, service, children))

    @property
    def requests(self) -> int:
        """Pictures answered so far."""
        return sum(self.statuses.values())


@dataclass(frozen=True)
class Growth:
    """How much memory was needed, in MiB."""

    start: float
    half: float  # at the beginning of the second half
    half_median: float  # of the second half
    end: float
    highest: float
    slope: float  # of the second half, per request
    scatter: float  # of the readings around that slope, median
    second_half: float  # growth along the slope


def growth(readings: Sequence[tuple[int, int]]) -> Growth:
    """Judge memory over a load.

    Args:
        readings: (requests answered, bytes held), in order of time.
    """
    points = [(float(requests), held / MIB) for requests, held in readings]
    half = points[len(points) // 2 :]
    slope = theil_sen_slope(half)
    offset = statistics.median(y - slope * x for x, y in half)
    return Growth(
        start=points[0][1],
        half=half[0][1],
        half_median=statistics.median(y for _, y in half),
        end=points[-1][1],
        highest=max(y for _, y in points),
        slope=slope,
        scatter=statistics.median(abs(y - slope * x - offset) for x, y in half),
        second_half=slope * (half[-1][0] - half[0][0]),
    )
