import pytest

from services.drawings.grammar import FeatureControlFrame, read, read_frame
from services.drawings.tests.grammar.telling import tell
from shared.gdt_signs import CHARACTERISTICS

TEXTS = [
    ("⏤|0.1", "straightness 0.1"),
    ("⏤|⌀0.1", "straightness ⌀0.1"),
    ("⏤ 0.1/100", "straightness 0.1 per 100"),
    ("⏥ 0.05", "flatness 0.05"),
    ("⏥|0.1/100×100", "flatness 0.1 per 100×100"),
    ("○|0.02", "circularity 0.02"),
    ("○ 0.05", "circularity 0.05"),
    ("⌭|0,01", "cylindricity 0.01"),
    ("⌒|0.1", "line profile 0.1"),
    ("⌒ 0.1 A", "line profile 0.1 A"),
    ("⌓ 0.1 A B", "surface profile 0.1 A B"),
    ("⌓|0.1 CZ", "surface profile 0.1 CZ"),
    ("∠|0.3|D", "angularity 0.3 D"),
    ("∠ 0.3 D", "angularity 0.3 D"),
    ("⟂|0.05|A", "perpendicularity 0.05 A"),
    ("⊥|0.05|A-B", "perpendicularity 0.05 A-B"),
    ("⏊ ⌀0.02 A", "perpendicularity ⌀0.02 A"),
    ("∥ 0.2 B", "parallelism 0.2 B"),
    ("⫽|0.2|B", "parallelism 0.2 B"),
    ("//|0.2|B", "parallelism 0.2 B"),
    ("⌖|⌀0.2Ⓜ|A|BⓂ|C", "position ⌀0.2 Ⓜ A BⓂ C"),
    ("⌖ ⌀0.2 Ⓜ A B C", "position ⌀0.2 Ⓜ A B C"),
    ("[⌖|⌀0.2|A]", "position ⌀0.2 A"),
    ("|⌖|⌀0.2|A|", "position ⌀0.2 A"),
    ("⌖ ⌀0.3CZ (M) A(M)", "position ⌀0.3 CZ Ⓜ AⓂ"),
    ("⌖|⌀0Ⓜ|A", "position ⌀0 Ⓜ A"),
    ("⌖|S⌀0.2|A|B", "position S⌀0.2 A B"),
    ("⌖|⌀0.2Ⓟ20|A", "position ⌀0.2 Ⓟ projected 20 A"),
    ("⌖|0.2|AⓁ|BB", "position 0.2 AⓁ BB"),
    ("4×⌖|⌀0.1|A", "4x position ⌀0.1 A"),
    ("2X ⌖ ⌀0.1 A", "2x position ⌀0.1 A"),
    ("◎|⌀0.1|A", "concentricity ⌀0.1 A"),
    ("⌯|0.08|A-B", "symmetry 0.08 A-B"),
    ("↗|0.05|A", "circular run-out 0.05 A"),
    ("↗ 0.05 A", "circular run-out 0.05 A"),
    ("⌰|0.1|A-B", "total run-out 0.1 A-B"),
    ("⌖|⌀0.5Ⓜ|A|B\n⌖|⌀0.1|A", "position ⌀0.5 Ⓜ A B | position ⌀0.1 A"),
    ("⌖|⌀0.5|A|B|C\n⌀0.1|A", "position ⌀0.5 A B C | position ⌀0.1 A"),
    ("⌖ ⌀0.5 A B C\n⌀0.1 A", "position ⌀0.5 A B C | position ⌀0.1 A"),
    ("⌓|0.5|A\n∥|0.1|B", "surface profile 0.5 A | parallelism 0.1 B"),
    ("⌖|⌀０.２|A", "position ⌀0.2 A"),
]

NOT_FRAMES = [
    "⏥|0.05|A",  # form takes no datum
    "⏥|⌀0.05",
    "⌭|⌀0.1",
    "⟂|0.05",  # orientation needs one
    "↗|0.05",
    "⌰|⌀0.1|A",
    "◎|⌀0.1",
    "⌖|0|A",
    "⌖|⌀0.2||A",
    "⌖|⌀0.2|A|A",
    "⌖|⌀0.2|A|B|C|D",
    "⌖|⌀0.2|A1",
    "⌖|⌀0.2|I",
    "⌖|⌀0.2|a",
    "⌖ ⌀0.3 ABC",
    "⌖|⌀O.2|A",
    "⌖|A|⌀0.2",
    "⌖",
    "⌖|",
    "|",
    "||",
    "⌖⌖|0.1",
    "⌖|0.1 m|A",
    "⌖|0.1ⓜ|A",
    "X|0.1|A",
    "+|0.1|A",
    "□|0.1",
    "/|0.1|A",
    "⌒ 0.1",  # or the length of an arc
    "○ 5",  # or a mark in a list
    "⌀0.1|A",
    "0.1|A",
    "⌖|0.1|A\nfoo",
]


@pytest.mark.parametrize(("text", "expected"), TEXTS)
def test_frame_says_what_is_printed(text, expected):
    assert tell(read(text)) == expected


@pytest.mark.parametrize("text", NOT_FRAMES)
def test_what_cannot_be_a_frame_is_not_read(text):
    assert tell(read(text)) == "unread"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["⌖", "⌀0.2", "A", "B", "C"], "position ⌀0.2 A B C"),
        (["position", "⌀0.3CZ M", "A M"], "position ⌀0.3 CZ Ⓜ AⓂ"),
        (["⌖", "⌀0.2 M", "A"], "position ⌀0.2 Ⓜ A"),
        (["⌖⌀0.2", "A"], "position ⌀0.2 A"),
        (["⏥", "0.2", ""], "flatness 0.2"),
        (["Flatness", "0.2"], "flatness 0.2"),
        (["total_runout", "0.1", "A-B"], "total run-out 0.1 A-B"),
        (["profile of a surface", "0.1"], "surface profile 0.1"),
        (["-", "0.05"], "straightness 0.05"),
        (["—", "0.05"], "straightness 0.05"),
        (["//", "0.05", "A"], "parallelism 0.05 A"),
        (["∠", "0.4", "C"], "angularity 0.4 C"),
        (["+", "0.2", "A"], "unread"),
        (["/", "0.2", "A"], "unread"),
        (["□", "0.1"], "unread"),
        (["T", "0.1", "A"], "unread"),
        (["O", "0.1"], "unread"),
        (["⌖", "", "A"], "unread"),
        (["", "0.1"], "unread"),
        ([], "unread"),
        ([""], "unread"),
    ],
)
def test_compartments_of_a_row_are_read(cells, expected):
    assert tell(read_frame(cells)) == expected


@pytest.mark.parametrize(
    ("cells", "rows", "expected"),
    [
        (
            ["⌖", "⌀0.5", "A", "B", "C"], [["⌀0.1", "A"]],
            "position ⌀0.5 A B C | position ⌀0.1 A",
        ),
        (["⌓", "0.5", "A"], [["0.2", "A"], ["0.1"]],
         "surface profile 0.5 A | surface profile 0.2 A | surface profile 0.1"),
        (["⌖", "⌀0.5", "A"], [["⌀0.1Ⓜ", "AⓂ"]], "position ⌀0.5 A | position ⌀0.1 Ⓜ AⓂ"),
        (["⌖", "⌀0.5", "A"], [["", "A"]], "unread"),
        (["⌖", "⌀0.5", "A"], [["25.4 H7", "A"]], "unread"),
        (["⏥", "0.5"], [["0.1", "A"]], "unread"),
        (["⌖", "⌀0.5", "A"], [["0.1", "A"]] * 8, "unread"),
    ],
)  # fmt: skip
def test_rows_of_a_composite_frame_share_its_sign(cells, rows, expected):
    assert tell(read_frame(cells, rows)) == expected


@pytest.mark.parametrize("sign", CHARACTERISTICS, ids=lambda sign: sign.name)
def test_each_sign_is_the_characteristic_of_iso_1101(sign):
    is_form = sign.name in ("straightness", "flatness", "circularity", "cylindricity")
    datum = [] if is_form else ["A"]

    by_sign = read_frame([sign.character, "0.1", *datum])
    by_name = read_frame([sign.name, "0.1", *datum])

    assert isinstance(by_sign, FeatureControlFrame)
    assert (by_sign.characteristic, by_sign.symbol) == (sign.name, sign.character)
    assert (by_name.characteristic, by_name.symbol) == (sign.name, sign.character)


def test_modifier_never_becomes_a_datum():
    for circled in "ⓂⓁⓅⓈⒻⓉⓊⒺ":
        found = read(f"⌖|⌀0.2{circled}|A")

        assert found.modifiers == (circled,)
        assert [datum.letters for datum in found.datums] == [("A",)]
