"""What a batch will take: its run time as a line over its weight."""

from math import inf


class CostModel:
    """Run time of a batch as ``a + b · weight``, learnt from the batches that ran.

    Least squares over exponentially forgotten sums; a run far beyond the line counts only up to
    ``OUTLIER`` times its prediction, so that one page fault does not spoil the fit.
    """

    FORGET = 0.97
    OUTLIER = 3.0
    MIN_SAMPLES = 4
    MIN_SPREAD = 1e-4  # variance of the weights over their mean squared; below it no slope is seen

    def __init__(self) -> None:
        """Start without knowledge."""
        self._count = self._sum_w = self._sum_t = self._sum_ww = self._sum_wt = 0.0
        self._samples = 0
        self.line = (0.0, 0.0)  # fixed cost in s, and cost in s per unit of weight

    def observe(self, weight: float, duration_s: float) -> None:
        """Learn from one batch."""
        if self._samples >= self.MIN_SAMPLES:
            duration_s = min(duration_s, self.OUTLIER * max(self.predict_s(weight), 1e-6))
        keep = self.FORGET
        self._count = keep * self._count + 1
        self._sum_w = keep * self._sum_w + weight
        self._sum_t = keep * self._sum_t + duration_s
        self._sum_ww = keep * self._sum_ww + weight * weight
        self._sum_wt = keep * self._sum_wt + weight * duration_s
        self._samples += 1
        self.line = self._fitted()

    @property
    def is_known(self) -> bool:
        """Whether enough batches have run to predict."""
        return self._samples >= self.MIN_SAMPLES

    def _fitted(self) -> tuple[float, float]:
        """Fixed cost ``a`` in s and cost ``b`` in s per unit of weight, neither negative."""
        mean_w, mean_t = self._sum_w / self._count, self._sum_t / self._count
        spread = self._sum_ww / self._count - mean_w * mean_w
        if spread <= self.MIN_SPREAD * max(1.0, mean_w * mean_w):  # one size seen
            return self._scaled(mean_w, mean_t)
        slope = (self._sum_wt / self._count - mean_w * mean_t) / spread
        slope = min(max(0.0, slope), mean_t / mean_w if mean_w else inf)
        return mean_t - slope * mean_w, slope

    def _scaled(self, mean_w: float, mean_t: float) -> tuple[float, float]:
        """The line known so far, moved to the mean; without one, all of it is the weight's."""
        known = self.predict_s(mean_w)
        if known <= 0:
            return 0.0, mean_t / mean_w if mean_w else 0.0
        fixed, slope = self.line
        return fixed * mean_t / known, slope * mean_t / known

    def predict_s(self, weight: float) -> float:
        """Expected run time of a batch of this weight, in s."""
        fixed, slope = self.line
        return fixed + slope * weight

    def weight_within(self, duration_s: float) -> float:
        """Largest weight whose expected run time is at most ``duration_s``."""
        fixed, slope = self.line
        if not self.is_known or slope <= 0:
            return inf
        return max(0.0, (duration_s - fixed) / slope)

    def weight_beside(self, weight: float, share: float) -> float:
        """Largest weight that lengthens a run of ``weight`` by at most ``share`` of its time."""
        slope = self.line[1]
        if not self.is_known or slope <= 0:
            return inf
        return share * self.predict_s(weight) / slope
