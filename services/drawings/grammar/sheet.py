"""What a title block says about the whole sheet, as frozen data."""

from dataclasses import dataclass, fields

from services.drawings.grammar.readings import LengthUnit, Number

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class PlacedText:
    """A line of text and where it stands.

    Attributes:
        text: the characters.
        box: x1, y1, x2, y2; origin top left, y down, in any one unit (pixels, points).
        confidence: 0 to 1.
    """

    text: str
    box: Box
    confidence: float = 1.0


@dataclass(frozen=True)
class GeneralTolerance:
    """The tolerance of all dimensions that carry none of their own.

    Attributes:
        text: as printed.
        standard: ``"ISO 2768"``, ``"KS B ISO 2768"``, ``"KS B 0412"``, ``"KS B 0401"``,
            ``"DIN ISO 2768"``, ``"DIN 7168"``, ``"JIS B 0405"``, …; None if none is named.
        linear_class: f, m, c or v (DIN 7168: also g, sg), for sizes and angles.
        geometrical_class: H, K or L, for form and position.
        upper: upper deviation of linear sizes, if printed as a number.
        lower: lower deviation of linear sizes.
        angular: plus-minus deviation of angles in degrees, if printed.
        by_decimals: plus-minus deviation by the number of decimals of the nominal size, as
            ``X.XX ±0.05`` says it; pairs (decimals, deviation).
    """

    text: str
    standard: str | None = None
    linear_class: str | None = None
    geometrical_class: str | None = None
    upper: Number | None = None
    lower: Number | None = None
    angular: Number | None = None
    by_decimals: tuple[tuple[int, Number], ...] = ()


@dataclass(frozen=True)
class Field:
    """A filled-in field of a title block.

    Attributes:
        text: the value as printed.
        label: the label it stands at, as printed.
        box: of the value, in the unit of the texts given.
        confidence: the lower one of label and value.
    """

    text: str
    label: str
    box: Box
    confidence: float


@dataclass(frozen=True)
class TitleBlock:
    """The fields found; a field that is blank or not found is None.

    Attributes:
        tolerance: ``general_tolerance`` or a statement elsewhere in the texts, taken apart.
        scale_ratio: paper over part: 1:2 is 0.5, 2:1 is 2.
        length_unit: the sheet's unit of length, if it says so.
        sheet_number: n of sheet n of m.
        sheet_count: m of sheet n of m.
    """

    drawing_number: Field | None = None
    title: Field | None = None
    material: Field | None = None
    scale: Field | None = None
    revision: Field | None = None
    unit: Field | None = None
    projection: Field | None = None
    general_tolerance: Field | None = None
    surface_finish: Field | None = None
    weight: Field | None = None
    quantity: Field | None = None
    sheet: Field | None = None
    sheet_size: Field | None = None
    date: Field | None = None
    drawn: Field | None = None
    checked: Field | None = None
    approved: Field | None = None
    company: Field | None = None
    tolerance: GeneralTolerance | None = None
    scale_ratio: float | None = None
    length_unit: LengthUnit | None = None
    sheet_number: int | None = None
    sheet_count: int | None = None

    @property
    def present(self) -> dict[str, Field]:
        """The fields that were found, by name."""
        found = ((each.name, getattr(self, each.name)) for each in fields(self))
        return {name: value for name, value in found if isinstance(value, Field)}
