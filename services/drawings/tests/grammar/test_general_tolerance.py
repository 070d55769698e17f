import pytest

from services.drawings.grammar.general_tolerance import read_general_tolerance


@pytest.mark.parametrize(
    ("text", "standard", "linear_class", "geometrical_class"),
    [
        ("ISO 2768-mK", "ISO 2768", "m", "K"),
        ("ISO 2768 - m", "ISO 2768", "m", None),
        ("ISO2768-MK", "ISO 2768", "m", "K"),
        ("ISO 2768-1-m, ISO 2768-2-K", "ISO 2768", "m", "K"),
        ("ISO 2768-1:1989-f", "ISO 2768", "f", None),
        ("ISO 2768 medium", "ISO 2768", "m", None),
        ("GENERAL TOLERANCES: ISO 2768-cL", "ISO 2768", "c", "L"),
        ("일반공차는 KS B ISO 2768-mK 를 따른다", "KS B ISO 2768", "m", "K"),
        ("KS B ISO 2768-1 m", "KS B ISO 2768", "m", None),
        ("KS B 0412 m", "KS B 0412", "m", None),
        ("KS B 0401", "KS B 0401", None, None),
        ("DIN ISO 2768-mK-E", "DIN ISO 2768", "m", "K"),
        ("DIN 7168-mittel", "DIN 7168", "m", None),
        ("DIN 7168 g", "DIN 7168", "g", None),
        ("DIN 7168-sg", "DIN 7168", "sg", None),
        ("DIN EN 22768-m", "EN 22768", "m", None),
        ("JIS B 0405-m", "JIS B 0405", "m", None),
        ("ISO 2768", "ISO 2768", None, None),
        ("ISO 2768 made", "ISO 2768", None, None),
        ("ISO 2768-x", "ISO 2768", None, None),
        ("ISO 2768-g", "ISO 2768", None, None),
        ("ISO 8015", "ISO 8015", None, None),
    ],
)
def test_standard_and_classes_are_told_apart(text, standard, linear_class, geometrical_class):
    found = read_general_tolerance(text)

    assert found.text == text
    assert (found.standard, found.linear_class) == (standard, linear_class)
    assert found.geometrical_class == geometrical_class


def test_two_classes_of_one_standard_are_no_statement():
    found = read_general_tolerance("ISO 2768-m was ISO 2768-f")

    assert (found.standard, found.linear_class) == ("ISO 2768", None)


def test_printed_deviations_are_read():
    found = read_general_tolerance("LINEAR: +0.1/-0.2, ANGULAR: ±0.5°")

    assert (found.upper.value, found.lower.value) == (0.1, -0.2)
    assert found.angular.value == 0.5


def test_deviation_alone_is_that_of_lengths():
    found = read_general_tolerance("±0.1mm")

    assert (found.upper.value, found.lower.value) == (0.1, -0.1)


def test_deviations_by_decimals_are_read():
    found = read_general_tolerance(".XX ±.01 .XXX ±.005 ANGLES ±30'")

    assert [(places, each.value) for places, each in found.by_decimals] == [(2, 0.01), (3, 0.005)]
    assert found.angular.value == 0.5


@pytest.mark.parametrize("text", ["", "as drawn", "1:2", "S45C", "0.1", "+0.1", "X" * 301])
def test_text_that_states_no_tolerance_is_not_read(text):
    assert read_general_tolerance(text) is None
