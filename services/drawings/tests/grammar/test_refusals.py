"""What is no callout, or not for sure, comes back unread with a reason."""

import pytest

from services.drawings.grammar import Dimension, SurfaceTexture, Unread, read
from services.drawings.tests.grammar.telling import tell

DATES_AND_NUMBERS = [
    "2024-01-15", "2024-1-15", "2024 - 1 - 15", "2024/01/15", "2024.01.15", "2024. 1. 15.",
    "15.01.2024", "01/15/24", "24.1.5", "24-11-5", "12:30", "08:15:00",
    "02-1234-5678", "010-1234-5678", "+82-10-1234-5678", "(02) 123-4567", "+49 30 123456",
    "1:2", "2:1", "1 : 5", "SCALE 1:2", "1:1,5",
    "1/2", "1 / 3", "3/8", "1 OF 3", "SHEET 1 OF 1", "BLATT 1 VON 1", "- 3 -", "p. 3", "3.", "2)",
    "A-1234-5", "AB-1234", "DWG-001", "UR10_29.20", "P/N 4711", "REV A", "REV.02", "No. 3",
    "123456", "0123", "010", "007", "1.2.3", "1,2,3", "1.2,3", "192.168.0.1", "1,234,567",
    "100%", "20°C", "20 ℃", "1.2 kg", "25kg", "50Hz", "24V", "10k", "3D", "4 EA", "2 SET",
    "HRC58", "58 HRC", "HRC 58-62", "HB 180", "σ = 250", "10^2", "x=3", "25 x", "3+2", "10/32",
    "25cm", "3 m", "5'", "12 500",
]  # fmt: skip

WORDS = [
    "S45C", "SUS304", "SS400", "SCM440", "SKD11", "FC250", "EN AW-6061", "A6061-T6", "6061-T6",
    "AL6061", "42CrMo4", "X5CrNi18-10", "C45", "C45E", "C60", "1.4301", "2.0401", "PLA", "STEEL",
    "SECTION A-A", "A-A", "DETAIL B", "VIEW C", "SCHNITT A-A", "단면 A-A", "상세도 B",
    "ISO 2768-mK", "KS B 0401", "DIN 7168", "JIS B 0405", "ISO 1302", "ASME Y14.5",
    "A", "B", "AB", "ABC", "A3", "A4", "H7", "g6", "H7/g6", "6H", "IT7", "N7", "M", "R", "C", "t",
    "NOTES", "NOTE 3", "1. 모든 모서리는 C0.5 면취할 것", "지시없는 모서리 C0.3", "도금 후 치수",
    "열처리 HRC 58~62", "용접부 비드 제거", "재질 S45C", "UNLESS OTHERWISE SPECIFIED",
    "REMOVE ALL BURRS", "DO NOT SCALE", "Maßstab", "Stahl", "DRAWN", "재질", "3각법",
    "3RD ANGLE PROJECTION", "ALL AROUND", "Q'TY 4", "4-HOLES", "D25", "L50", "T5", "V24", "X10",
    "", " ", "\n", "|", "-", "+", "/", "±", "⌀", "√", "▽▽", "°", "()", "[]", "(", ")", "①", "4x",
    "?", "□", "←25", "25→",
]  # fmt: skip

UNSURE = [
    "0", "0.00", "±0.1", "+0.021", "+0.021\n0", "-0.1", "+0.1/-0.2", "H7\n25",
    "25 +0.1", "25 -0.1", "25-0.1", "25 0", "25 0 0", "25 +0.1 +0.1", "25 ±0", "25 ±",
    "25 +0.1 0.05", "25 ±0.1 ±0.2", "5 +10 -3", "10-20", "10~20", "3~5",
    "20x30", "20 x 30", "20×30×5", "4x11,00", "4 x 11,00", "2x 45°", "4X 30°",
    "45° ±1", "45° +0.5 -0.5", "45°70'", "45.5°30'", "361°",
    "1,250", "12,500", "16.00 15.50", "25 24", "200\n12", "10\n11", "25.02\n24.9",
    "25 M6", "4 M8", "2 R6", "10 C1", "25H7H8", "25 H7/H8", "25 g6/H7", "25 H19", "25 Hh7", "25 I7",
    "⌀25 N", "R5 H7", "45° H7", "M8 H7", "M0.5", "M800", "M8×", "M", "Tr40", "Tr40×50",
    "1/4-20", "1/3-13 UNC", "5/4-7 UNC", "G1", "G2.5", "UNC",
    "O.5", "l0", "1O", "I5", "Q10", "O25", "2S", "25.", "25,", "..5", "5..", "2 5.0", "25 . 0",
    "(12", "12)", "((12))", "(12)(13)", "⌀⌀25", "⌀R5", "R⌀5", "⌀", "⌀-5", "⌀0", "R0", "⌀ 25 26",
    "⌀12×90°", "⌒25", "t", "C0", "5×45", "5x45", "C45°", "1x95°", "x45°", "⌲5", "⌲1:0", "TAPER",
    "⌀8 DEEP", "⌀8 DEPTH", "⌀8 ↧", "⌀8 ↧0", "⌀8 ↧10 MIN", "⌀8 ↧10 ↧12", "PCD", "4X", "4-", "-4",
    "25 mm in", '1""', '½""', "25 mm mm", "5⌴", "1⌵D11", "25Ⓜ", "25ⒺⒺ",
    '25" mm', "45° mm", "25.4 [1.00]", "25 (1.00)", "R5 MAX MIN", "25±0.1 MAX",
    "R1/2", "R 1 1/4", 'R1/8"', "8-40 UNC", "1-40 UNC", "10 UNC", "2 HOLES", "4 구멍", "6 등분",
    "4 TAP", "10 DRILL", "SR235", "C1100", "C3604", "CR2032", "SF 10", "TK60", "CBORE 11", "✓ 3",
    "25〃", "↗ 25 H", "∠ 30 A", "▲A", "3 A4", "5 V12", "4 EQ SP", "⌀25 H7/M6", "⌀8.5/M10",
    "M8 ±0.1", "10 min", "3 in", "25.02/24.98", "0.5 / 0.6", "1.8\n1.4", "- | 16", "-|0.1",
    "C90", "士0.1", "博士 25", "25士", "M1.6/1.7", "M8 MAX",
    "1×45° ±1", "1×45°±0.1", "⌀8 ↧10\n+0.1\n0", "45° ↧3", "C1 THRU", "2PCD2", "R5 PCD 60",
    "⌀9\nM8", "⌀9\nR5", "⌀9\nC1", "20\nA4",
    "25̶", "2̄5", "⌀2́5", "٢٥", "²5", "Ⅷ", "⑤", "５Ｏ",
]  # fmt: skip


@pytest.mark.parametrize("text", [*DATES_AND_NUMBERS, *WORDS, *UNSURE])
def test_text_that_is_no_sure_callout_is_not_read(text):
    found = read(text)

    assert isinstance(found, Unread), tell(found)
    assert found.text == text
    assert found.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2024-01-15", "date"),
        ("15.01.2024", "date"),
        ("12:30", "time"),
        ("0", "origin"),
        ("0,00", "origin"),
        ("1:2", "scale"),
        ("02-1234-5678", "telephone"),
        ("1/2", "page"),
        ("ISO 2768-mK", "standard"),
        ("H7", "without its size"),
        ("SUS304", "material"),
        ("C45", "steel"),
        ("1.4301", "material"),
        ("A-A", "section"),
        ("±0.1", "without its size"),
        ("STEEL", "words"),
        ("A", "datum"),
        ("1,250", "thousands"),
        ("010", "zero"),
        ("25 +0.1", "one deviation"),
        ("20x30", "two sizes"),
        ("45° ±1", "unit"),
        ("⌀25 Hx", "'Hx'"),
        ("⏥|0.1|A", "no datum"),
        ("", "empty"),
        ("9" * 301, "300"),
    ],
)
def test_reason_says_what_was_wrong(text, reason):
    assert reason in read(text).reason


# What another parser of drawings is known to take for geometrical tolerances.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("25 +0.021/0", "linear 25 +0.021/+0 explicit"),
        ("10 -0.01 -0.03", "linear 10 -0.01/-0.03 explicit"),
        ("M8×1.25-6H", "thread 8 mm thread(M 8 pitch=1.25 6H)"),
        ("1/2-13 UNC", "thread 0.5 in thread(UN 1/2 threads_per_inch=13 UNC)"),
        ("□30", "square 30"),
    ],
)
def test_signs_of_sizes_are_no_geometrical_tolerances(text, expected):
    found = read(text)

    assert isinstance(found, Dimension)
    assert tell(found) == expected


@pytest.mark.parametrize("text", ["Ra 1.6", "Ra1.6", "Rz 6.3", "√Ra 3.2", "√3.2"])
def test_roughness_is_no_profile_of_a_surface(text):
    assert isinstance(read(text), SurfaceTexture)


@pytest.mark.parametrize("text", ["ABC", "NOTES", "SUS304", "DATUM A", "A B C", "PLATE"])
def test_capital_letters_are_no_datums(text):
    assert isinstance(read(text), Unread)


def test_fit_and_deviations_on_one_callout_are_both_kept():
    found = read("⌀25 H7 ±0.02")

    assert found.fit.hole.text == "H7"
    assert (found.upper.value, found.lower.value) == (0.02, -0.02)
