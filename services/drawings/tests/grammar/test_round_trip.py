"""What is printed by the rules of the drawing standards is read back as it was."""

from hypothesis import given, settings
from hypothesis import strategies as st

from services.drawings.grammar import (
    DatumReference,
    Depth,
    Dimension,
    FeatureControlFrame,
    Number,
    read,
)
from shared.gdt_signs import CHARACTERISTICS

PREFIXES = {
    "linear": "", "diameter": "⌀", "radius": "R", "spherical_diameter": "S⌀",
    "spherical_radius": "SR", "square": "□",
}  # fmt: skip
FORM = {"straightness", "flatness", "circularity", "cylindricity"}
MAY_HAVE_DIAMETER = {
    "straightness", "angularity", "perpendicularity", "parallelism", "position", "concentricity",
}  # fmt: skip
SMALL = {"most": 900, "decimals": (3, 4)}  # a deviation below any size drawn
MAY_LACK_DATUMS = {*FORM, "line profile", "surface profile", "position"}


@st.composite
def printed_numbers(draw, least=1, most=99_999, decimals=(1, 3), sign=""):
    """An unsigned number as it is printed, and its value with the sign."""
    decimals = draw(st.integers(*decimals))
    whole = draw(st.integers(least, most))
    digits = f"{whole:0{decimals + 1}d}"
    point = f"{digits[:-decimals]}.{digits[-decimals:]}"
    return sign + point, float(sign + point)


@st.composite
def dimensions(draw):
    """A dimension and its print."""
    kind = draw(st.sampled_from(list(PREFIXES)))
    nominal, value = draw(printed_numbers(least=1000))
    text = PREFIXES[kind] + nominal
    fields = {"kind": kind, "nominal": Number(nominal, value)}
    if kind != "linear" and draw(st.booleans()):
        fields["count"] = draw(st.integers(1, 99))
        text = f"{fields['count']}{draw(st.sampled_from(['×', 'x', ' x ', '-']))}{text}"
    text, fields = draw(tolerances(text, fields))
    if draw(st.booleans()):
        depth, value = draw(printed_numbers())
        text += draw(st.sampled_from([" ↧", " ↧ ", " DEEP ", " 깊이 ", "\n↧"])) + depth
        fields["depth"] = Depth(Number(depth, value))
    elif draw(st.booleans()):
        text += draw(st.sampled_from([" THRU", " 관통", " durchgehend"]))
        fields["is_through"] = True
    if draw(st.booleans()):
        text += " TYP"
        fields["notes"] = ("TYP",)
    if draw(st.booleans()) and "," not in text:
        text, fields = with_commas(text, fields)
    return text, Dimension(text=text, **fields)


@st.composite
def tolerances(draw, text, fields):
    form = draw(st.sampled_from(["none", "symmetrical", "stacked", "upper", "reference"]))
    if form == "reference" and "count" not in fields:
        return f"({text})", {**fields, "is_reference": True}
    if form == "symmetrical":
        size, value = draw(printed_numbers(**SMALL))
        deviations = Number(f"±{size}", value), Number(f"±{size}", -value)
        text += draw(st.sampled_from(["±", " ±"])) + size
    elif form == "stacked":
        upper, lower = (
            draw(printed_numbers(**SMALL, sign="+")),
            draw(printed_numbers(**SMALL, sign="-")),
        )
        deviations = Number(*upper), Number(*lower)
        between = draw(st.sampled_from([" ", "/", "\n", ""]))
        text += draw(st.sampled_from([" ", "\n", ""])) + upper[0] + between + lower[0]
    elif form == "upper":
        upper = draw(printed_numbers(**SMALL, sign="+"))
        deviations = Number(*upper), Number("0", 0.0)
        text += f" {upper[0]}" + draw(st.sampled_from([" 0", "/0", "\n0"]))
    else:
        return text, fields
    upper, lower = deviations
    return text, {**fields, "upper": upper, "lower": lower, "tolerance_source": "explicit"}


def with_commas(text, fields):
    """The same with decimal commas, as far as a comma is sure."""
    numbers = [each for each in fields.values() if isinstance(each, Number)]
    numbers += [each.value for each in fields.values() if isinstance(each, Depth)]
    if all(each.decimals in (0, 3) for each in numbers):
        return text, fields
    changed = {
        name: comma(each)
        if isinstance(each, Number)
        else Depth(comma(each.value))
        if isinstance(each, Depth)
        else each
        for name, each in fields.items()
    }
    return text.replace(".", ","), changed


def comma(number):
    return Number(number.text.replace(".", ","), number.value)


@settings(max_examples=150, deadline=None)
@given(dimensions())
def test_printed_dimension_is_read_back(printed):
    text, expected = printed

    assert read(text) == expected


@st.composite
def frames(draw, sign=None):
    """A row of a frame and its print."""
    sign = sign or draw(st.sampled_from(CHARACTERISTICS))
    size, value = draw(printed_numbers(most=9999))
    is_round = sign.name in MAY_HAVE_DIAMETER and draw(st.booleans())
    modifiers = draw(st.lists(st.sampled_from("ⓂⓁⓅⒻⓉⒺ"), max_size=2, unique=True))
    letters = draw(st.lists(st.sampled_from("ABCDEFGHJKLMNPRSTUVWXYZ"), max_size=3, unique=True))
    if sign.name in FORM:
        letters = []
    elif not letters and sign.name not in MAY_LACK_DATUMS:
        letters = ["A"]
    on_datums = [draw(st.sampled_from(["", "Ⓜ", "Ⓛ"])) for _ in letters]
    cells = [sign.character, ("⌀" if is_round else "") + size + "".join(modifiers)]
    cells += [letter + on for letter, on in zip(letters, on_datums, strict=True)]
    text = "|".join(cells)
    return text, FeatureControlFrame(
        text=text,
        characteristic=sign.name,
        symbol=sign.character,
        value=Number(size, value),
        zone="diameter" if is_round else "width",
        modifiers=tuple(modifiers),
        datums=tuple(
            DatumReference((letter,), (on,) if on else ())
            for letter, on in zip(letters, on_datums, strict=True)
        ),
    )


@settings(max_examples=60, deadline=None)
@given(frames())
def test_printed_frame_is_read_back(printed):
    text, expected = printed

    assert read(text) == expected


@settings(max_examples=60, deadline=None)
@given(frames())
def test_brackets_and_bars_around_a_frame_change_only_its_text(printed):
    text, expected = printed

    for around in (f"[{text}]", f"|{text}|", f"| {text.replace('|', ' | ')} |"):
        found = read(around)
        assert {**vars(found), "text": ""} == {**vars(expected), "text": ""}
