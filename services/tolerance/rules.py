"""The rule of thumb: a zone from the standard's grade, with factors for material and shape.

It is the baseline that every answer states, the answer itself outside the model's domain, and
the centre of the synthetic data:

    value = ratio x IT(grade, size) x material x slenderness x thinness
"""

import msgspec

from services.tolerance.cases import Case, Geometry


class RuleFactors(msgspec.Struct, frozen=True):
    """The factors whose product is the rule's value; ``baseline_mm`` is the standard's part."""

    baseline_mm: float
    material: float
    slenderness: float
    thinness: float

    @property
    def value_mm(self) -> float:
        """Return the zone width at the reference capability."""
        return self.baseline_mm * self.material * self.slenderness * self.thinness


def apply_rule(case: Case, geometry: Geometry) -> RuleFactors:
    """Evaluate the rule at the catalog's reference capability (Cpk 1.33).

    Args:
        case: what is asked.
        geometry: size of at most 3150 mm.
    """
    return RuleFactors(
        baseline_mm=case.baseline_mm(geometry.size_mm),
        material=case.material_factor,
        slenderness=case.slenderness.factor(geometry.slenderness),
        thinness=case.thinness.factor(geometry.thinness),
    )


def describe_baseline(case: Case, size_mm: float) -> str:
    """Say in words how the baseline was formed, such as ``0.4 x IT10 at 50 mm``."""
    return f"{case.baseline_words} at {size_mm:g} mm"
