import pytest

from shared.standards.iso2768 import OutsideGeneralTolerances, look_up, split_class
from shared.standards.tables import load_iso2768

TABLES = load_iso2768()
ALL = {
    "linear": TABLES.linear,
    "radius": TABLES.radius_and_chamfer,
    "angle": TABLES.angle,
    **TABLES.geometrical,
}


@pytest.mark.parametrize(
    ("size_mm", "letter", "expected_mm"),
    [
        (50, "m", 0.3),
        (30, "m", 0.2),
        (0.5, "f", 0.05),
        (3, "c", 0.2),
        (6, "v", 0.5),
        (2500, "m", 2),
    ],
)
def test_linear_tolerances_are_the_printed_ones(size_mm, letter, expected_mm):
    assert look_up(TABLES.linear, size_mm, letter).value == expected_mm


@pytest.mark.parametrize(
    ("size_mm", "letter", "expected_mm"),
    [(10, "H", 0.02), (50, "K", 0.2), (100, "H", 0.1), (100.1, "H", 0.2), (3000, "L", 1.6)],
)
def test_flatness_zones_are_the_printed_ones(size_mm, letter, expected_mm):
    table = TABLES.geometrical["straightness_flatness"]

    assert look_up(table, size_mm, letter).value == expected_mm


@pytest.mark.parametrize("name", set(ALL) - {"angle"})
def test_tolerance_never_falls_with_size(name):
    for row in ALL[name].values.values():
        known = [value for value in row if value is not None]
        assert known == sorted(known)


def test_angles_narrow_with_the_length_of_the_shorter_side():
    for row in TABLES.angle.values.values():
        assert list(row) == sorted(row, reverse=True)


@pytest.mark.parametrize("name", ALL)
def test_tolerance_never_falls_from_a_finer_to_a_coarser_class(name):
    rows = list(ALL[name].values.values())
    for finer, coarser in zip(rows, rows[1:], strict=False):
        pairs = zip(finer, coarser, strict=True)
        assert all(a <= b for a, b in pairs if a is not None and b is not None)


@pytest.mark.parametrize(
    ("size_mm", "letter"), [(0.4, "m"), (2, "v"), (2500, "f"), (4001, "m"), (float("nan"), "m")]
)
def test_sizes_without_a_general_tolerance_are_refused(size_mm, letter):
    with pytest.raises(OutsideGeneralTolerances):
        look_up(TABLES.linear, size_mm, letter)


def test_classes_are_split_as_drawings_write_them():
    assert split_class("mK") == ("m", "K")
    assert split_class("f") == ("f", None)
    assert split_class("L") == (None, "L")


@pytest.mark.parametrize("text", ["", "x", "Km", "mm", "mK ", "M", "k"])
def test_unknown_classes_are_refused(text):
    with pytest.raises(OutsideGeneralTolerances, match="allowed"):
        split_class(text)


def test_values_without_confirmation_are_flagged():
    perpendicularity = TABLES.geometrical["perpendicularity"]

    assert look_up(perpendicularity, 50, "H").verified
    assert not look_up(perpendicularity, 50, "L").verified
    assert not look_up(TABLES.angle, 50, "m").verified
