"""Tell a leak from noise: does memory still grow once a process should have settled?

Native inference libraries are known to keep growing with every new input shape. What counts is the
second half of the samples, after caches have filled, and a slope that outliers cannot make: the
Theil-Sen estimator, the median of the slopes between pairs of points (P. K. Sen, 1968,
doi:10.1080/01621459.1968.10480934).
"""

from collections import deque
from dataclasses import dataclass
from itertools import combinations
from statistics import median


@dataclass(frozen=True)
class GrowthLimits:
    """What is called growth."""

    max_slope_bytes: float = 512 * 1024  # per unit of work (a batch), over the second half
    min_growth_bytes: int = 64 * 2**20  # over the second half; less is noise
    min_samples: int = 40  # before any verdict
    max_samples: int = 200  # older ones are forgotten


@dataclass(frozen=True)
class GrowthVerdict:
    """What the samples say."""

    is_growing: bool
    slope_bytes: float  # per unit of work
    growth_bytes: float  # slope over the second half of the samples


class GrowthDetector:
    """Judges samples of memory against the work done so far."""

    def __init__(self, limits: GrowthLimits | None = None) -> None:
        """Start without samples."""
        self._limits = limits or GrowthLimits()
        self._samples: deque[tuple[float, float]] = deque(maxlen=self._limits.max_samples)

    def add(self, work: float, memory_bytes: float) -> None:
        """Note the memory after ``work`` units since the process started; work only rises."""
        self._samples.append((work, memory_bytes))

    def verdict(self) -> GrowthVerdict:
        """Judge the second half of the samples."""
        half = list(self._samples)[len(self._samples) // 2 :]
        if len(self._samples) < self._limits.min_samples:
            return GrowthVerdict(False, 0.0, 0.0)
        slope = theil_sen_slope(half)
        growth = slope * (half[-1][0] - half[0][0])
        is_growing = slope > self._limits.max_slope_bytes and growth > self._limits.min_growth_bytes
        return GrowthVerdict(is_growing, slope, growth)


def theil_sen_slope(points: list[tuple[float, float]]) -> float:
    """Median of the slopes between all pairs of points with different x; 0 without such a pair."""
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x2 != x1]
    return median(slopes) if slopes else 0.0
