from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.standards.iso286 import OutsideStandard, available_fits, grade_um, limits
from shared.standards.tables import load_iso286

TABLES = load_iso286()

# ISO 286-1:2010 annex: multiples of the tolerance unit for IT5 to IT18.
MULTIPLES = {
    5: 7, 6: 10, 7: 16, 8: 25, 9: 40, 10: 64, 11: 100,
    12: 160, 13: 250, 14: 400, 15: 640, 16: 1000, 17: 1600, 18: 2500,
}  # fmt: skip


def steps():
    lower = 1.0  # the first step is evaluated from 1 to 3 mm
    for index, upper in enumerate(TABLES.up_to_mm):
        yield index, sqrt(lower * upper)
        lower = upper


def unit_um(mean_mm):
    if mean_mm <= 500:
        return 0.45 * mean_mm ** (1 / 3) + 0.001 * mean_mm
    return 0.004 * mean_mm + 2.1


@pytest.mark.parametrize("grade", MULTIPLES)
def test_table_follows_the_formula_of_the_standard(grade):
    # The printed values are rounded; the coarsest rounding, at the smallest step, is 13.3 %.
    for index, mean_mm in steps():
        formula_um = MULTIPLES[grade] * unit_um(mean_mm)
        assert formula_um == pytest.approx(TABLES.grade_um[index][grade - 1], rel=0.14)


def test_tolerance_rises_with_every_grade():
    for row in TABLES.grade_um:
        assert all(finer < coarser for finer, coarser in zip(row, row[1:], strict=False))


def test_tolerance_never_falls_with_size():
    for smaller, larger in zip(TABLES.grade_um, TABLES.grade_um[1:], strict=False):
        assert all(a <= b for a, b in zip(smaller, larger, strict=True))


@pytest.mark.parametrize(
    ("size_mm", "grade", "expected_um"),
    [(3, 7, 10), (3.001, 7, 12), (18, 8, 27), (500, 6, 40), (500.1, 6, 44), (3150, 18, 33000)],
)
def test_size_on_a_boundary_belongs_to_the_lower_step(size_mm, grade, expected_um):
    assert grade_um(TABLES, size_mm, grade) == expected_um


@pytest.mark.parametrize(
    ("size_mm", "grade", "expected_um"), [(5, 9, 30), (700, 16, 5000), (2, 18, 1400)]
)
def test_values_that_public_copies_misprint_are_right(size_mm, grade, expected_um):
    assert grade_um(TABLES, size_mm, grade) == expected_um


@pytest.mark.parametrize(
    ("size_mm", "fit", "upper_um", "lower_um"),
    [
        (25, "H7", 21, 0),
        (25, "g6", -7, -20),
        (29, "h7", 0, -21),
        (25, "f7", -20, -41),
        (25, "k6", 15, 2),
        (25, "n6", 28, 15),
        (25, "p6", 35, 22),
        (25, "js7", 10.5, -10.5),
        (25, "K7", 6, -15),
        (25, "N7", -7, -28),
        (25, "N9", 0, -52),
        (25, "P7", -14, -35),
        (2, "K7", 0, -10),
        (2, "N7", -4, -14),
        (25, "F8", 53, 20),
        (1000, "H8", 140, 0),
    ],
)
def test_fits_resolve_to_the_printed_limits(size_mm, fit, upper_um, lower_um):
    found = limits(TABLES, size_mm, fit)

    assert (found.upper_um, found.lower_um) == (upper_um, lower_um)


# ISO 286-1:2010 annex: formulas of the fundamental deviations, D in mm, result in um.
SHAFT_FORMULAS = {
    "d": lambda d: -16 * d**0.44,
    "e": lambda d: -11 * d**0.41,
    "f": lambda d: -5.5 * d**0.41,
    "g": lambda d: -2.5 * d**0.34,
    "k": lambda d: 0.6 * d ** (1 / 3),
    "n": lambda d: 5 * d**0.34,
}


@pytest.mark.parametrize("letter", SHAFT_FORMULAS)
def test_shaft_deviations_follow_their_formula(letter):
    row, lower = TABLES.shafts[letter], 1.0
    for upper, deviation_um in zip(row.up_to_mm, row.deviation_um, strict=True):
        formula_um = SHAFT_FORMULAS[letter](sqrt(lower * upper))
        # Rounded to whole or, for large values, to round micrometres.
        assert deviation_um == pytest.approx(formula_um, rel=0.03, abs=2.1)
        lower = upper


def test_m_is_the_difference_of_two_grades():
    for index, deviation_um in enumerate(TABLES.shafts["m"].deviation_um[1:], start=1):
        assert deviation_um == TABLES.grade_um[index][6] - TABLES.grade_um[index][5]


def test_r_lies_midway_between_p_and_s():
    r, s, p = TABLES.shafts["r"], TABLES.shafts["s"], TABLES.shafts["p"]
    for upper_mm, r_um, s_um in zip(r.up_to_mm, r.deviation_um, s.deviation_um, strict=True):
        step = next(i for i, bound in enumerate(p.up_to_mm) if upper_mm <= bound)
        assert r_um == pytest.approx(sqrt(p.deviation_um[step] * s_um), abs=1.2)


def test_unconfirmed_deviations_are_flagged():
    assert limits(TABLES, 25, "H7").verified
    assert limits(TABLES, 25, "g6").verified
    assert not limits(TABLES, 300, "g6").verified
    assert not limits(TABLES, 25, "s6").verified


@pytest.mark.parametrize(
    ("size_mm", "fit", "field"),
    [
        (25, "Q7", "fit"),
        (25, "Hh7", "fit"),
        (25, "7H", "fit"),
        (25, "H19", "fit"),
        (25, "H0", "fit"),
        (25, "M7", "fit"),
        (25, "g11", "fit"),
        (0.8, "H14", "fit"),
        (600, "g6", "size_mm"),
        (0, "H7", "size_mm"),
        (3150.1, "H7", "size_mm"),
        (float("nan"), "H7", "size_mm"),
    ],
)
def test_what_the_tables_do_not_hold_is_refused_by_field(size_mm, fit, field):
    with pytest.raises(OutsideStandard) as caught:
        limits(TABLES, size_mm, fit)

    assert caught.value.field == field


@given(
    size_mm=st.floats(1.001, 500),
    letter=st.sampled_from(available_fits(TABLES)["hole"]),
    grade=st.integers(1, 18),
)
def test_hole_and_shaft_of_one_letter_have_the_width_of_their_grade(size_mm, letter, grade):
    for name in (letter, letter.lower()):
        try:
            found = limits(TABLES, size_mm, f"{name}{grade}")
        except OutsideStandard:
            continue
        assert found.upper_um - found.lower_um == pytest.approx(grade_um(TABLES, size_mm, grade))
