"""Turns contributions to ln(value) into millimetres that add up to the prediction.

TreeSHAP explains the model's own output, the logarithm: ln v = phi_0 + sum phi_j. Exponentiating
single terms would not add up, so each is weighted with the logarithmic mean of the prediction v
and the typical value v0 = exp(phi_0):

    effect_j = phi_j * L(v, v0),   L(v, v0) = (v - v0) / (ln v - ln v0),   L(v, v) = v

which leaves no remainder, since sum phi_j = ln v - ln v0 gives sum effect_j = v - v0, and does not
depend on the order of the terms (Ang, "LMDI decomposition approach", Energy Policy 86, 2015).
"""

from collections.abc import Mapping, Sequence
from math import exp, fsum, log

from services.tolerance.parts import Contribution

TYPICAL_PART = "typical_part"

# Model columns are shown under the property of the part that sets them.
_GROUPS = {
    "size_mm": "size",
    "slenderness": "slenderness",
    "thinness": "thinness",
    "it_grade": "process",
    "material_factor": "material",
    "characteristic": "characteristic",
    "feature": "feature",
    "process": "process",
    "family": "material",
}


def explanation_groups(columns: Sequence[str]) -> tuple[str, ...]:
    """Name the property of the part behind each model column, such as ``process=milling``."""
    return tuple(_GROUPS[name.split("=")[0]] for name in columns)


def group_log_effects(groups: Sequence[str], log_effects: Sequence[float]) -> dict[str, float]:
    """Sum the contributions of columns that belong to one property; Shapley values are additive."""
    sums: dict[str, float] = {}
    for group, effect in zip(groups, log_effects, strict=True):
        sums[group] = sums.get(group, 0.0) + effect
    return sums


def effects_in_mm(
    *, typical_mm: float, log_effects: Mapping[str, float], digits: int
) -> list[Contribution]:
    """Convert contributions to ln(value) into contributions in mm.

    Args:
        typical_mm: value before any contribution, exp of the base value.
        log_effects: contribution of each property to ln(value).
        digits: decimals of a millimetre to keep.

    Returns:
        ``typical_part`` first, then the properties by falling size of effect; their sum is the
        predicted value but for rounding.
    """
    total = fsum(log_effects.values())
    value_mm = typical_mm * exp(total)
    weight_mm = logarithmic_mean(value_mm, typical_mm)
    effects = [Contribution(name, round(e * weight_mm, digits)) for name, e in log_effects.items()]
    effects.sort(key=lambda item: -abs(item.effect_mm))
    return [Contribution(TYPICAL_PART, round(typical_mm, digits)), *effects]


def logarithmic_mean(first: float, second: float) -> float:
    """Return (a - b) / (ln a - ln b) of two positive numbers, their common value if equal."""
    if abs(first - second) <= 1e-9 * first:
        return first
    return (first - second) / log(first / second)
