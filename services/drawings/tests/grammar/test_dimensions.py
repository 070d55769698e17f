import pytest

from services.drawings.grammar import read
from services.drawings.tests.grammar.telling import tell

SIZES = [
    ("25", "linear 25"),
    ("200,00", "linear 200"),
    ("0.5", "linear 0.5"),
    (".250", "linear 0.25"),
    ("1,250.5", "linear 1250.5"),
    ("1.250,5", "linear 1250.5"),
    ("0,125", "linear 0.125"),
    ("25 mm", "linear 25 mm"),
    ("25㎜", "linear 25 mm"),
    ('1.000"', "linear 1 in"),
    ("1.5 in.", "linear 1.5 in"),
    ('1/2"', "linear 0.5 in"),
    ('1 1/2"', "linear 1.5 in"),
    ("２５．５", "linear 25.5"),
    ("⌀25", "diameter 25"),
    ("Ø25", "diameter 25"),
    ("ø25", "diameter 25"),
    ("φ25", "diameter 25"),
    ("Φ 25", "diameter 25"),
    ("∅25", "diameter 25"),
    ("%%c25", "diameter 25"),
    ("DIA 25", "diameter 25"),
    ("25 DIA", "diameter 25"),
    ('⌀1/2"', "diameter 0.5 in"),
    ("R5", "radius 5"),
    ("R10,00", "radius 10"),
    ("R.25", "radius 0.25"),
    ("CR3", "radius 3 CR"),
    ("SR5", "spherical_radius 5"),
    ("S⌀10", "spherical_diameter 10"),
    ("SØ10", "spherical_diameter 10"),
    ("□30", "square 30"),
    ("SQ 30", "square 30"),
    ("t5", "thickness 5"),
    ("t=2.0", "thickness 2"),
    ("5 THK", "thickness 5"),
    ("두께 5", "thickness 5"),
    ("PCD60", "pitch_circle 60"),
    ("P.C.D. ⌀60", "pitch_circle 60"),
    ("⌀60 PCD", "pitch_circle 60"),
    ("⌲1:5", "taper 0.2"),
    ("테이퍼 1:10", "taper 0.1"),
    ("⌳ 1:100", "slope 0.01"),
    ("구배 1/20", "slope 0.05"),
]

ANGLES = [
    ("45°", "angle 45"),
    ("45,0°", "angle 45"),
    ("120°", "angle 120"),
    ("45º", "angle 45"),
    ("30 DEG", "angle 30"),
    ("∠45°", "angle 45"),
    ("45°30'", "angle 45.5"),
    ("45°30′15″", "angle 45.5042"),
    ("45°±1°", "angle 45 +1/-1 explicit"),
    ("45° ±30'", "angle 45 +0.5/-0.5 explicit"),
    ("15° +0.5°/0", "angle 15 +0.5/+0 explicit"),
    ("%%d45", "unread"),
    ("45%%d", "angle 45"),
]

CHAMFERS = [
    ("C0.5", "chamfer 0.5 at 45°"),
    ("C1", "chamfer 1 at 45°"),
    ("C 2", "chamfer 2 at 45°"),
    ("1x45°", "chamfer 1 at 45°"),
    ("1×45°", "chamfer 1 at 45°"),
    ("0.5 X 45°", "chamfer 0.5 at 45°"),
    ("2×30°", "chamfer 2 at 30°"),
    ("45°×1", "chamfer 1 at 45°"),
    ("4-C0.5", "4x chamfer 0.5 at 45°"),
    ("2x 1x45°", "2x chamfer 1 at 45°"),
    ("C0.5±0.1", "chamfer 0.5 at 45° +0.1/-0.1 explicit"),
    ("0.5±0.1×45°", "chamfer 0.5 at 45° +0.1/-0.1 explicit"),
    ("C0.3 MAX", "chamfer at 45° max 0.3 explicit"),
    ("C0.2~0.5", "chamfer at 45° max 0.5 min 0.2 explicit"),
    ("모따기 C1", "chamfer 1 at 45°"),
    ("2x C45", "2x chamfer 45 at 45°"),
    ("1.0 x 45° CHAMFER", "chamfer 1 at 45° CHAMFER"),
]

COUNTS = [
    ("4×⌀6.6", "4x diameter 6.6"),
    ("4-⌀6.6", "4x diameter 6.6"),
    ("4 x ⌀11,00", "4x diameter 11"),
    ("4X R3", "4x radius 3"),
    ("2xM8", "2x thread 8 mm thread(M 8)"),
    ("3-R5", "3x radius 5"),
    ("12×□8", "12x square 8"),
    ("4X 11.5", "4x linear 11.5"),
    ("4x(5)", "4x linear 5 reference"),
    ("⌀9 4개소", "4x diameter 9"),
    ("R5 (4 PLACES)", "4x radius 5"),
    ("2x ⌀5 2 PLACES", "2x diameter 5"),
    ("50±0.05 (2x)", "2x linear 50 +0.05/-0.05 explicit"),
    ("4x\n⌀9", "4x diameter 9"),
    ("4×⌀6.6 THRU", "4x diameter 6.6 through"),
    ("6-⌀9 EQ SP ON PCD 60", "6x diameter 9 on 60 EQ SP"),
    ("6×⌀9 (PCD 60)", "6x diameter 9 on 60"),
    ("6x ⌀9 ON ⌀60 BC", "6x diameter 9 on 60"),
    ("8-⌀12 등간격 PCD 120", "8x diameter 12 on 120 등간격"),
]

DEVIATIONS = [
    ("25±0.1", "linear 25 +0.1/-0.1 explicit"),
    ("25 ± 0,1", "linear 25 +0.1/-0.1 explicit"),
    ("25+/-0.1", "linear 25 +0.1/-0.1 explicit"),
    ("25士0.1", "linear 25 +0.1/-0.1 explicit"),
    ("⌀10 土0.05", "diameter 10 +0.05/-0.05 explicit"),
    ("25%%p0.1", "linear 25 +0.1/-0.1 explicit"),
    ("⌀21,5±0,1", "diameter 21.5 +0.1/-0.1 explicit"),
    ("⌀70.50±0.05", "diameter 70.5 +0.05/-0.05 explicit"),
    ("R1.00±0.10", "radius 1 +0.1/-0.1 explicit"),
    ("25 +0.021/0", "linear 25 +0.021/+0 explicit"),
    ("25 0/-0.1", "linear 25 +0/-0.1 explicit"),
    ("25 -0/+0.1", "linear 25 +0.1/+0 explicit"),
    ("25+0.1-0.2", "linear 25 +0.1/-0.2 explicit"),
    ("25 +0.05 -0.02", "linear 25 +0.05/-0.02 explicit"),
    ("25 +0.05\n-0.02", "linear 25 +0.05/-0.02 explicit"),
    ("25\n+0.05\n-0.02", "linear 25 +0.05/-0.02 explicit"),
    ("25 +0.021\n0", "linear 25 +0.021/+0 explicit"),
    ("35.00 0.00\n-0.20", "linear 35 +0/-0.2 explicit"),
    ("10 -0.01 -0.03", "linear 10 -0.01/-0.03 explicit"),
    ("10 −0.01 −0.03", "linear 10 -0.01/-0.03 explicit"),
    ("10 +0.03 +0.01", "linear 10 +0.03/+0.01 explicit"),
    ("10 -0.03 -0.01", "linear 10 -0.01/-0.03 explicit"),
    ("10 (+0.1/-0.2)", "linear 10 +0.1/-0.2 explicit"),
    ("10 +.1 -.05", "linear 10 +0.1/-0.05 explicit"),
    ("1.000 in ±.005", "linear 1 in +0.005/-0.005 explicit"),
    ("12,250 ±0,01", "linear 12.25 +0.01/-0.01 explicit"),
    ("2x⌀4.80 +0.1 0", "2x diameter 4.8 +0.1/+0 explicit"),
    ("+0.03 35.36-0.03", "linear 35.36 +0.03/-0.03 explicit"),
    ("+0.03\n35.36\n-0.03", "linear 35.36 +0.03/-0.03 explicit"),
    ("0.00 35.00-0.20", "linear 35 +0/-0.2 explicit"),
    ("+0.40 4x⌀6.60-0.10", "4x diameter 6.6 +0.4/-0.1 explicit"),
    ("⌒25 ±0.1", "arc_length 25 +0.1/-0.1 explicit"),
]

LIMITS = [
    ("25.02\n24.98", "linear max 25.02 min 24.98 explicit"),
    ("16.00\n15.50", "linear max 16 min 15.5 explicit"),
    ("24.98\n25.02", "linear max 25.02 min 24.98 explicit"),
    ("⌀25.02\n⌀24.98", "diameter max 25.02 min 24.98 explicit"),
    ("⌀25.02/24.98", "diameter max 25.02 min 24.98 explicit"),
    ("24.98~25.02", "linear max 25.02 min 24.98 explicit"),
    ("R0.5 MAX", "radius max 0.5 explicit"),
    ("R0.3 이하", "radius max 0.3 explicit"),
    ("25 MIN.", "linear min 25 explicit"),
]

FITS = [
    ("⌀25 H7", "diameter 25 H7 fit"),
    ("⌀38H12", "diameter 38 H12 fit"),
    ("2x⌀8,80H8", "2x diameter 8.8 H8 fit"),
    ("25h6", "linear 25 h6 fit"),
    ("⌀10 js6", "diameter 10 js6 fit"),
    ("⌀10 JS7", "diameter 10 JS7 fit"),
    ("8 P9", "linear 8 P9 fit"),
    ("⌀25 M7", "diameter 25 M7 fit"),
    ("⌀25 H7/g6", "diameter 25 H7/g6 fit"),
    ("⌀25 H7\ng6", "diameter 25 H7\ng6 fit"),
    ("⌀25 H7 ±0.02", "diameter 25 H7 +0.02/-0.02 explicit"),
    ("⌀25 H7 (+0.021/0)", "diameter 25 H7 +0.021/+0 explicit"),
    ("⌀25H7(+0.021\n0)", "diameter 25 H7 +0.021/+0 explicit"),
    ("⌀20 h6 Ⓔ", "diameter 20 h6 fit Ⓔ"),
    ("⌀20 ±0.1 (E)", "diameter 20 +0.1/-0.1 explicit Ⓔ"),
]

HOLES = [
    ("⌀8 ↧10", "diameter 8 deep 10"),
    ("⌀8 ↧ 10 ±0.2", "diameter 8 deep 10+0.2/-0.2"),
    ("⌀8 DEEP 10", "diameter 8 deep 10"),
    ("⌀8×10 DEEP", "diameter 8 deep 10"),
    ("⌀8 깊이 10", "diameter 8 deep 10"),
    ("⌀8 10 tief", "diameter 8 deep 10"),
    ("⌀8 관통", "diameter 8 through"),
    ("⌀8 durchgehend", "diameter 8 through"),
    ("⌀10 드릴 깊이 20", "diameter 10 deep 20 드릴"),
    ("⌀10 REAM", "diameter 10 REAM"),
    ("⌀11 자리파기 깊이 6.5", "spotface diameter 11 deep 6.5"),
    (
        "4x ⌀11,00 ↧20,00\n⌴⌀18,00 ↧12,00",
        "4x diameter 11 deep 20 | counterbore diameter 18 deep 12",
    ),
    (
        "4×⌀6.6 THRU ⌴⌀11 ↧6.5",
        "4x diameter 6.6 through | counterbore diameter 11 deep 6.5",
    ),
    (
        "⌀6.6 THRU\nC'BORE ⌀11 DEEP 6.5",
        "diameter 6.6 through | counterbore diameter 11 deep 6.5",
    ),
    (
        "4-∅9 THRU, C'BORE ∅14 DP 8.6",
        "4x diameter 9 through | counterbore diameter 14 deep 8.6",
    ),
    (
        "⌀9 드릴, ⌀14 카운터보어 깊이 8.6",
        "diameter 9 드릴 | counterbore diameter 14 deep 8.6",
    ),
    ("⌀3.3 깊이 10 / M4 탭 깊이 8", "diameter 3.3 deep 10 | thread 4 mm thread(M 4) deep 8 탭"),
    (
        "6X Ø.201 THRU\n1/4-20 UNC THRU",
        "6x diameter 0.201 through | thread 0.25 in thread(UN 1/4 threads_per_inch=20 UNC) through",
    ),
    ("⌀6 THRU\n⌵ ⌀12 × 90°", "diameter 6 through | countersink diameter 12 cone 90°"),
    ("⌀6.8 ↧20\nM8-6H ↧16", "diameter 6.8 deep 20 | thread 8 mm thread(M 8 6H) deep 16"),
]

MARKED = [
    ("(177)", "linear 177 reference"),
    ("(12)", "linear 12 reference"),
    ("(25,5)", "linear 25.5 reference"),
    ("(⌀25)", "diameter 25 reference"),
    ("⌀(25)", "diameter 25 reference"),
    ("12 REF", "linear 12 reference"),
    ("12 REF.", "linear 12 reference"),
    ("12 참고", "linear 12 reference"),
    ("[25]", "linear 25 basic"),
    ("[⌀25]", "diameter 25 basic"),
    ("30 BSC", "linear 30 basic"),
    ("R5 TYP", "radius 5 TYP"),
    ("R5 TYP.", "radius 5 TYP."),
    (
        "(25±0.1)",
        "linear 25 +0.1/-0.1 explicit reference ! a reference dimension carries a tolerance",
    ),
    ("C1 양쪽", "chamfer 1 at 45° 양쪽"),
]

THREADS = [
    ("M8", "thread 8 mm thread(M 8)"),
    ("M8×1.25-6H", "thread 8 mm thread(M 8 pitch=1.25 6H)"),
    ("M8x1,25", "thread 8 mm thread(M 8 pitch=1,25)"),
    ("M10×1.5-6g", "thread 10 mm thread(M 10 pitch=1.5 6g)"),
    ("M10×1-4g6g", "thread 10 mm thread(M 10 pitch=1 4g6g)"),
    ("M8-6H/6g", "thread 8 mm thread(M 8 6H/6g)"),
    ("M12×1.75 LH", "thread 12 mm thread(M 12 pitch=1.75 LH)"),
    ("M12×1.75-6H-LH", "thread 12 mm thread(M 12 pitch=1.75 6H LH)"),
    ("M8×20", "thread 8 mm thread(M 8 length=20)"),
    ("M8×1.25×20", "thread 8 mm thread(M 8 pitch=1.25 length=20)"),
    ("M24×3", "thread 24 mm thread(M 24 pitch=3)"),
    ("M6×6", "thread 6 mm thread(M 6 length=6)"),
    ("M20×Ph3P1.5", "thread 20 mm thread(M 20 pitch=1.5 lead=3)"),
    ("M8×20 DEEP", "thread 8 mm thread(M 8) deep 20"),
    ("4x M8 Gewinde durchgehend", "4x thread 8 mm thread(M 8) through Gewinde"),
    ("8-M6 TAP 깊이 12", "8x thread 6 mm thread(M 6) deep 12 TAP"),
    ("4-M6 TAP DP12", "4x thread 6 mm thread(M 6) deep 12 TAP"),
    ("M6 탭 관통", "thread 6 mm thread(M 6) through 탭"),
    ("Tr40×7", "thread 40 mm thread(Tr 40 pitch=7)"),
    ("Tr40×7-7e", "thread 40 mm thread(Tr 40 pitch=7 7e)"),
    ("Tr40×14(P7)LH", "thread 40 mm thread(Tr 40 pitch=7 lead=14 LH)"),
    ("1/2-13 UNC", "thread 0.5 in thread(UN 1/2 threads_per_inch=13 UNC)"),
    ("1/2-13UNC-2B", "thread 0.5 in thread(UN 1/2 threads_per_inch=13 UNC 2B)"),
    ("1 1/4-7 UNC", "thread 1.25 in thread(UN 1 1/4 threads_per_inch=7 UNC)"),
    ("1-8 UNC-2A", "thread 1 in thread(UN 1 threads_per_inch=8 UNC 2A)"),
    (".250-20 UNC", "thread 0.25 in thread(UN .250 threads_per_inch=20 UNC)"),
    ("#10-32 UNF", "thread 10 thread(UN #10 threads_per_inch=32 UNF numbered)"),
    ("2X 1/4-20 UNC-2B", "2x thread 0.25 in thread(UN 1/4 threads_per_inch=20 UNC 2B)"),
    ("1/4-18 NPT", "thread 0.25 in thread(NPT 1/4 threads_per_inch=18 NPT)"),
    ("NPT 1/4", "thread 0.25 in thread(NPT 1/4 NPT)"),
    ("G1/2", "thread 0.5 in thread(G 1/2 G)"),
    ("G 1/2 A", "thread 0.5 in thread(G 1/2 G A)"),
    ("PF 3/8", "thread 0.375 in thread(G 3/8 PF)"),
    ("PT1/4", "thread 0.25 in thread(PT 1/4 PT)"),
    ("Rc 1/2", "thread 0.5 in thread(Rc 1/2 Rc)"),
    ("G1/2 LH", "thread 0.5 in thread(G 1/2 G LH)"),
    ("4-40 UNC-2B", "thread 4 thread(UN 4 threads_per_inch=40 UNC 2B numbered)"),
    ("10-24 UNC", "thread 10 thread(UN 10 threads_per_inch=24 UNC numbered)"),
    ("M12 P1.75", "thread 12 mm thread(M 12 pitch=1.75)"),
    ("W1/2", "thread 0.5 in thread(BSW 1/2 W)"),
]

ALL = [
    *SIZES, *ANGLES, *CHAMFERS, *COUNTS, *DEVIATIONS, *LIMITS, *FITS, *HOLES, *MARKED, *THREADS,
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), ALL)
def test_callout_says_what_is_printed(text, expected):
    assert tell(read(text)) == expected


@pytest.mark.parametrize(("text", "expected"), ALL)
def test_blanks_around_a_callout_change_nothing(text, expected):
    assert tell(read(f"  {text} \n")) == expected


def test_every_number_keeps_what_was_printed():
    found = read("Ø２５,50 +０.1/−0,05 ↧ 12,0")

    numbers = [found.nominal, found.upper, found.lower, found.depth.value]
    assert [each.text for each in numbers] == ["２５,50", "+０.1", "−0,05", "12,0"]
    assert [each.value for each in numbers] == [25.5, 0.1, -0.05, 12.0]


def test_number_counts_its_printed_decimals():
    assert read("25,50").nominal.decimals == 2
    assert read("25").nominal.decimals == 0
    assert read(".250").nominal.decimals == 3


def test_angle_of_a_plain_chamfer_sign_is_known_but_not_printed():
    found = read("C0.5")

    assert found.chamfer_angle.value == 45
    assert not found.chamfer_angle.is_printed


def test_frame_around_a_number_makes_it_basic():
    assert tell(read("25", is_framed=True)) == "linear 25 basic"
    assert tell(read("45°", is_framed=True)) == "angle 45 basic"
    assert tell(read("25 ±0.1", is_framed=True)) == "unread"


def test_text_of_a_reading_is_the_text_given():
    assert read(" ⌀25 H7 ").text == " ⌀25 H7 "
