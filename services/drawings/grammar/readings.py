"""What a piece of drawing text can turn out to be: the answers of the parser, as frozen data.

Every number keeps what was printed. Nothing here is computed from tables; ``limits.resolve`` does
that and returns a new ``Dimension``.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "linear",
    "diameter",
    "radius",
    "spherical_diameter",
    "spherical_radius",
    "square",
    "thickness",
    "arc_length",
    "angle",
    "chamfer",
    "thread",
    "pitch_circle",
    "taper",
    "slope",
]
Unit = Literal["mm", "in", "deg", "ratio"]
LengthUnit = Literal["mm", "in"]
ToleranceSource = Literal["explicit", "fit", "general", "none"]
HoleStep = Literal["counterbore", "countersink", "spotface"]
ThreadSystem = Literal["M", "Tr", "UN", "G", "Rp", "Rc", "PT", "NPT", "BSW"]
Zone = Literal["width", "diameter", "spherical_diameter"]


@dataclass(frozen=True)
class Number:
    """A number and how it was printed.

    Attributes:
        text: the printed characters (``"+0,021"``, ``"1/2"``, ``"45°30′"``); empty when the number
            was not printed but follows from a table, a rule or the callout's other numbers.
        value: the number; angles in degrees.
    """

    text: str
    value: float

    @property
    def is_printed(self) -> bool:
        """Whether the number stands on the drawing."""
        return self.text != ""

    @property
    def decimals(self) -> int:
        """Digits printed after the decimal point or comma."""
        _, _, fraction = self.text.replace(",", ".").rpartition(".")
        return sum(c.isdigit() for c in fraction) if fraction != self.text else 0


@dataclass(frozen=True)
class ToleranceClass:
    """One tolerance class of ISO 286 such as H7.

    Attributes:
        text: as printed, ``"H7"``.
        upper_mm: upper limit deviation; filled by ``resolve``, None where the tables lack it.
        lower_mm: lower limit deviation; as ``upper_mm``.
        is_verified: whether the table's value has been confirmed against a second source.
    """

    text: str
    upper_mm: float | None = None
    lower_mm: float | None = None
    is_verified: bool = False

    @property
    def is_hole(self) -> bool:
        """Whether the class is that of a hole: its letter is a capital."""
        return self.text[0].isupper()


@dataclass(frozen=True)
class Fit:
    """A tolerance class, or the two classes of a hole and a shaft that belong together."""

    text: str  # as printed: "H7", "H7/g6"
    hole: ToleranceClass | None = None
    shaft: ToleranceClass | None = None


@dataclass(frozen=True)
class Depth:
    """Depth of a hole or length of a thread, with its own deviations if any were printed."""

    value: Number
    upper: Number | None = None
    lower: Number | None = None


@dataclass(frozen=True)
class Thread:
    """A screw thread.

    Attributes:
        designation: the printed designation without count and depth, ``"M8×1.25-6H"``.
        system: M ISO metric, Tr trapezoidal, UN unified, G parallel pipe (also PF, BSPP), Rp and
            Rc inside pipe threads of ISO 7, PT taper pipe (also BSPT), NPT, BSW Whitworth. R 1/2
            is not read: it may be a radius.
        size: major diameter in mm for M and Tr, else the nominal size in inches; of a numbered
            unified size (``#10``) the number.
        is_numbered: the size is a number of the unified series, not inches.
        pitch: in mm, if printed.
        lead: in mm, of a multi-start thread, if printed.
        threads_per_inch: if printed.
        series: UNC, UNF, UNEF, UNS, UN, UNJC, UNJF, NPT, NPTF, NPS and the like, as printed.
        tolerance_class: ``6H``, ``4g6g``, ``2B``, ``A``, if printed.
        is_left_hand: LH was printed.
        length: of the threaded part, if printed as in ``M8×1.25×20``.
    """

    designation: str
    system: ThreadSystem
    size: Number
    is_numbered: bool = False
    pitch: Number | None = None
    lead: Number | None = None
    threads_per_inch: Number | None = None
    series: str | None = None
    tolerance_class: str | None = None
    is_left_hand: bool = False
    length: Number | None = None


@dataclass(frozen=True)
class Dimension:
    """A dimension callout.

    Attributes:
        text: the callout as it was given.
        kind: what is dimensioned.
        nominal: the nominal size; None where only limits were printed. For threads the size, for
            chamfers the leg, for tapers and slopes the ratio (1:5 is 0.2).
        unit: ``"mm"`` or ``"in"`` if the unit was printed or the kind implies it (threads),
            ``"deg"`` for angles, ``"ratio"`` for tapers and slopes, else None: the sheet's unit,
            which ``resolve`` fills.
        count: how often the feature occurs, if printed.
        upper: upper limit deviation from the nominal size (ISO 286-1), signed, in ``unit``.
        lower: lower limit deviation.
        upper_limit: largest permitted size; printed (limits, MAX) or filled by ``resolve``.
        lower_limit: smallest permitted size; as ``upper_limit``.
        fit: tolerance class or fit, if printed.
        is_basic: theoretically exact (framed, or BSC): its tolerance stands in a frame.
        is_reference: auxiliary (in parentheses, or REF): it carries no tolerance.
        depth: of a hole or thread.
        is_through: THRU or its like was printed.
        thread: for kind ``thread``.
        chamfer_angle: for kind ``chamfer``, in degrees; not printed in C0.5, which means 45.
        angle: of a countersink (``⌵ ⌀12 × 90°``), in degrees.
        pitch_circle: diameter of the circle on which the features lie, if printed beside them.
        step: what the line adds to a hole, for the lines after the first of a hole callout.
        steps: further lines of a hole callout: counterbore, countersink, tapped part.
        modifiers: circled letters of sizes, such as ``"Ⓔ"``.
        notes: known words that say more, as printed: TYP, EQ SP, TAP, 등간격.
        tolerance_source: where ``upper``, ``lower`` or the limits come from.
        basis: which table and row ``resolve`` took the tolerance from, or why there is none.
        conflicts: what on the callout contradicts itself, one sentence each.
    """

    text: str
    kind: Kind
    nominal: Number | None = None
    unit: Unit | None = None
    count: int | None = None
    upper: Number | None = None
    lower: Number | None = None
    upper_limit: Number | None = None
    lower_limit: Number | None = None
    fit: Fit | None = None
    is_basic: bool = False
    is_reference: bool = False
    depth: Depth | None = None
    is_through: bool = False
    thread: Thread | None = None
    chamfer_angle: Number | None = None
    angle: Number | None = None
    pitch_circle: Number | None = None
    step: HoleStep | None = None
    steps: tuple["Dimension", ...] = ()
    modifiers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tolerance_source: ToleranceSource = "none"
    basis: str = ""
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True)
class DatumReference:
    """One datum compartment of a frame.

    Attributes:
        letters: ``("A",)``, or ``("A", "B")`` for the common datum A-B.
        modifiers: circled letters and words that follow, such as ``"Ⓜ"``.
    """

    letters: tuple[str, ...]
    modifiers: tuple[str, ...] = ()


@dataclass(frozen=True)
class FeatureControlFrame:
    """A tolerance frame of ISO 1101 (ASME Y14.5: feature control frame).

    Attributes:
        text: as given; the cells of a row joined by ``|``.
        characteristic: term of ISO 1101 as ``shared.gdt_signs`` names it, ``"position"``.
        symbol: the sign of ``shared.gdt_signs`` that stands for it.
        value: width or diameter of the zone, in the sheet's unit.
        zone: shape of the zone.
        modifiers: what follows the value, as signs and words: ``"Ⓜ"``, ``"CZ"``.
        per: length or area the value holds for, as printed: ``"100"``, ``"100×100"``.
        projected: height of the projected zone after Ⓟ, if printed.
        datums: in order of precedence.
        count: from ``4×`` before the frame.
        rows: the further rows of a composite or stacked frame, top to bottom.
    """

    text: str
    characteristic: str
    symbol: str
    value: Number
    zone: Zone = "width"
    modifiers: tuple[str, ...] = ()
    per: str | None = None
    projected: Number | None = None
    datums: tuple[DatumReference, ...] = ()
    count: int | None = None
    rows: tuple["FeatureControlFrame", ...] = ()


@dataclass(frozen=True)
class Datum:
    """A datum letter in its frame, or a datum target.

    Attributes:
        text: as given.
        letter: ``"A"``.
        target: number of the datum target, 3 of A3.
        target_size: diameter of a round target area, if printed.
    """

    text: str
    letter: str
    target: int | None = None
    target_size: Number | None = None


@dataclass(frozen=True)
class SurfaceTexture:
    """A requirement on surface roughness.

    Attributes:
        text: as given.
        parameter: ``"Ra"``, ``"Rz"``, …; None where a value stands at the symbol alone.
        value: the upper limit, or the only one.
        lower: the lower limit, if two were printed or L stands before the parameter.
        unit: ``"µm"`` or ``"µin"`` if printed, else None.
        is_max: no measured value may exceed the limit (Rz max), not just most of them.
        grade: roughness grade number N1 to N12, printed instead of a value.
        removal: whether material is to be removed, where the symbol says so.
    """

    text: str
    parameter: str | None = None
    value: Number | None = None
    lower: Number | None = None
    unit: Literal["µm", "µin"] | None = None
    is_max: bool = False
    grade: str | None = None
    removal: Literal["required", "prohibited"] | None = None


@dataclass(frozen=True)
class Unread:
    """Text that is not read, with one sentence that says why."""

    text: str
    reason: str


Reading = Dimension | FeatureControlFrame | Datum | SurfaceTexture | Unread
