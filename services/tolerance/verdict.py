"""Compares a specified zone with what the process is predicted to hold."""

from collections.abc import Sequence
from math import log

from services.tolerance.intervals import probability_below
from services.tolerance.parts import Verdict


def judge(
    *, spec_mm: float, value_mm: float, interval_mm: tuple[float, float], scores: Sequence[float]
) -> Verdict:
    """Judge a specification against a prediction and its interval.

    Args:
        spec_mm: width of the zone on the drawing.
        value_mm: predicted zone at the asked capability.
        interval_mm: its calibrated interval.
        scores: calibration scores of the category, ascending.

    Returns:
        ``pass`` if the spec is at or above the interval, ``fail`` if it lies below it, ``marginal``
        inside; the probability is the share of calibration parts that would hold the spec.
    """
    low_mm, high_mm = interval_mm
    status = "pass" if spec_mm >= high_mm else "fail" if spec_mm < low_mm else "marginal"
    return Verdict(
        spec_mm=spec_mm,
        status=status,
        # As ``round`` to 6 and to 4 digits, at a third of its cost.
        margin_mm=round((spec_mm - value_mm) * 1e6) / 1e6,
        probability=round(probability_below(scores, log(spec_mm / value_mm)) * 1e4) / 1e4,
    )
