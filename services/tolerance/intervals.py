"""Split-conformal intervals, one calibration per process and characteristic (Mondrian categories).

The scores of a category are ln(actual / predicted) on data that the model has not seen. With m
sorted scores the k-th is a conservative k/(m+1) quantile for one more exchangeable part
(Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World, 2005), so an interval between
two of them covers at least the asked share in every category, not only on average.
"""

from bisect import bisect_right
from collections.abc import Hashable, Sequence
from math import ceil, exp, floor

import msgspec

STORED_QUANTILES = 999
MAX_REMEMBERED = 4096


class IntervalFactors(msgspec.Struct, frozen=True):
    """Multiply a predicted value by these to get its interval."""

    low: float
    high: float
    is_reached: bool  # False: too few calibration parts for the level, widest known interval


class IntervalTable:
    """Remembers the factors of levels that have been asked for; few levels are."""

    def __init__(self) -> None:
        """Start empty."""
        self._known: dict[tuple[Hashable, float], IntervalFactors] = {}

    def factors(
        self, name: Hashable, scores: Sequence[float], confidence_level: float
    ) -> IntervalFactors:
        """As ``interval_factors``; ``name`` stands for the scores."""
        key = (name, confidence_level)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            found = self._known[key] = interval_factors(scores, confidence_level)
        return found


def interval_factors(scores: Sequence[float], confidence_level: float) -> IntervalFactors:
    """Return the factors of the central interval at a confidence level.

    Args:
        scores: (m,) ascending ln(actual / predicted); the k-th stands for quantile k/(m+1).
        confidence_level: share of parts inside, in (0, 1).
    """
    count = len(scores)
    tail = (1.0 - confidence_level) / 2.0
    # Rounding keeps 1000 x 0.05 from becoming 50.000000000000004.
    lower_rank = floor(round((count + 1) * tail, 9))
    upper_rank = ceil(round((count + 1) * (1.0 - tail), 9))
    is_reached = lower_rank >= 1 and upper_rank <= count
    return IntervalFactors(
        low=exp(scores[max(lower_rank, 1) - 1]),
        high=exp(scores[min(upper_rank, count) - 1]),
        is_reached=is_reached,
    )


def probability_below(scores: Sequence[float], log_ratio: float) -> float:
    """Return the share of parts with ln(actual / predicted) at most ``log_ratio``, in [0, 1)."""
    return bisect_right(scores, log_ratio) / (len(scores) + 1)


def compress_scores(scores: Sequence[float]) -> list[float]:
    """Keep at most ``STORED_QUANTILES`` order statistics that still stand for k/(m+1).

    Args:
        scores: in random order; of a longer list the last few are left out, so that every kept
            score is an exact order statistic of the rest.
    """
    block = STORED_QUANTILES + 1
    if len(scores) < block:
        return sorted(scores)
    step = (len(scores) + 1) // block
    return sorted(scores[: step * block - 1])[step - 1 :: step]
