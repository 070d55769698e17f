import pytest

from services.drawings.grammar import GeneralTolerance, read, resolve
from services.drawings.grammar.general_tolerance import read_general_tolerance


def resolved(text, general=None, unit="mm"):
    statement = read_general_tolerance(general) if general else None
    return resolve(read(text), statement, unit=unit)


def values(*numbers):
    return tuple(each.value if each else None for each in numbers)


@pytest.mark.parametrize(
    ("text", "upper", "lower", "largest", "smallest"),
    [
        # ISO 286-1 and -2, as in any table book.
        ("⌀25 H7", 0.021, 0, 25.021, 25),
        ("⌀25 g6", -0.007, -0.020, 24.993, 24.98),
        ("⌀29 h7", 0, -0.021, 29, 28.979),
        ("⌀38H12", 0.25, 0, 38.25, 38),
        ("2x⌀8,80 H8", 0.022, 0, 8.822, 8.8),
        ("⌀25 js7", 0.0105, -0.0105, 25.0105, 24.9895),
        ("⌀25 P7", -0.014, -0.035, 24.986, 24.965),
        ('⌀1.000" H7', 0.021 / 25.4, 0, 1 + 0.021 / 25.4, 1),
        ("⌀3 H7", 0.010, 0, 3.010, 3),
        ("⌀18 H8", 0.027, 0, 18.027, 18),
        ("⌀500 h6", 0, -0.040, 500, 499.96),
    ],
)
def test_fit_gives_the_limits_of_iso_286(text, upper, lower, largest, smallest):
    found = resolved(text)

    assert found.tolerance_source == "fit"
    assert values(found.upper, found.lower) == pytest.approx((upper, lower), abs=1e-9)
    assert values(found.upper_limit, found.lower_limit) == pytest.approx((largest, smallest))
    assert not found.upper.is_printed


def test_fit_of_two_parts_gives_the_limits_of_each():
    found = resolved("⌀25 H7/g6")

    assert (found.fit.hole.upper_mm, found.fit.hole.lower_mm) == (0.021, 0)
    assert (found.fit.shaft.upper_mm, found.fit.shaft.lower_mm) == (-0.007, -0.020)
    assert found.upper is None
    assert "two parts" in found.basis


@pytest.mark.parametrize("text", ["⌀25 H7 ±0.02", "⌀25 H7 (+0.021/-0.001)", "⌀25 g6 +0.02/0"])
def test_print_that_contradicts_its_fit_is_kept_and_reported(text):
    found = resolved(text)

    assert found.tolerance_source == "explicit"
    assert found.fit is not None
    assert found.upper.is_printed
    assert len(found.conflicts) == 1
    assert "ISO 286-1" in found.conflicts[0]


def test_conflict_names_both_values():
    assert resolved("⌀25 H7 ±0.02").conflicts == (
        "H7 means +0.021/+0 mm by ISO 286-1, printed is ±0.02",
    )


@pytest.mark.parametrize(
    "text", ["⌀25 H7 (+0.021/0)", "⌀25 g6 (-0.007\n-0.020)", "⌀38 H12 (+0.25/0)"]
)
def test_print_that_agrees_with_its_fit_is_no_conflict(text):
    found = resolved(text)

    assert found.conflicts == ()
    assert found.tolerance_source == "explicit"


@pytest.mark.parametrize("text", ["⌀25 Z7", "⌀600 g6", "⌀25 H01", "⌀25 A9"])
def test_class_that_the_tables_lack_is_said_and_not_invented(text):
    found = resolved(text, "ISO 2768-m")

    assert found.tolerance_source == "fit"
    assert found.upper is None
    assert found.upper_limit is None
    assert "ISO 286-1" in found.basis


def test_class_not_confirmed_in_the_tables_says_so():
    assert "not confirmed" in resolved("⌀25 s6").basis
    assert "not confirmed" not in resolved("⌀25 H7").basis


@pytest.mark.parametrize(
    ("text", "general", "deviation"),
    [
        # ISO 2768-1, table 1; a size on a boundary belongs to the lower range.
        ("25", "ISO 2768-mK", 0.2),
        ("30", "ISO 2768-m", 0.2),
        ("30.1", "ISO 2768-m", 0.3),
        ("0.5", "ISO 2768-f", 0.05),
        ("⌀6", "KS B ISO 2768-c", 0.3),
        ("□200", "DIN ISO 2768-m", 0.5),
        ("1500", "JIS B 0405-v", 6),
        ("t5", "KS B 0412 m", 0.1),
        ("R10", "ISO 2768-m", 1),
        ("C2", "ISO 2768-m", 0.2),
        ('1"', "ISO 2768-m", 0.2 / 25.4),
        ("25", "±0.1", 0.1),
        ("45°", "LINEAR: ±0.1 ANGULAR: ±0.5°", 0.5),
        ("25.5", "X.X ±0.1 X.XX ±0.05", 0.1),
        ("25.50", "X.X ±0.1 X.XX ±0.05", 0.05),
    ],
)
def test_size_without_tolerance_takes_the_general_one(text, general, deviation):
    found = resolved(text, general)

    assert found.tolerance_source == "general"
    assert values(found.upper, found.lower) == pytest.approx((deviation, -deviation))
    assert found.upper_limit.value == pytest.approx(found.nominal.value + deviation)
    assert found.basis


@pytest.mark.parametrize(
    ("text", "general", "basis"),
    [
        ("25", None, "states no general"),
        ("(25)", "ISO 2768-m", "reference"),
        ("[25]", "ISO 2768-m", "basic"),
        ("0.4", "ISO 2768-m", "individual"),
        ("2", "ISO 2768-v", "no linear"),
        ("2500", "ISO 2768-f", "no linear"),
        ("4001", "ISO 2768-m", "4000"),
        ("M8", "ISO 2768-m", "thread"),
        ("⌲1:5", "ISO 2768-m", "taper"),
        ("45°", "ISO 2768-m", "shorter side"),
        ("25", "ISO 2768", "no class"),
        ("25", "DIN 7168-m", "no table"),
        ("25", "KS B 0401", "no class"),
        ("25", "X.XX ±0.05", "no class"),
    ],
)
def test_without_a_sure_tolerance_there_is_none_and_the_reason(text, general, basis):
    found = resolved(text, general)

    assert found.tolerance_source == "none"
    assert (found.upper, found.lower, found.upper_limit, found.lower_limit) == (None,) * 4
    assert basis in found.basis


def test_printed_tolerance_wins_over_fit_and_general():
    assert resolved("25 ±0.1", "ISO 2768-m").tolerance_source == "explicit"
    assert resolved("25 H7", "ISO 2768-m").tolerance_source == "fit"


def test_printed_limits_stay_as_they_are():
    found = resolved("25.02\n24.98", "ISO 2768-m")

    assert values(found.upper_limit, found.lower_limit) == (25.02, 24.98)
    assert found.nominal is None


def test_sum_of_printed_numbers_shows_no_binary_dust():
    assert resolved("35.36 ±0.03").upper_limit.value == 35.39
    assert resolved("0.3 +0.1/0").upper_limit.value == 0.4


def test_unit_of_the_sheet_fills_in_for_a_missing_one():
    assert resolved("25").unit == "mm"
    assert resolved("25", unit="in").unit == "in"
    assert resolved("25 mm", unit="in").unit == "mm"
    assert resolved("45°").unit == "deg"


def test_further_lines_of_a_hole_are_resolved_too():
    found = resolved("⌀6.6 THRU\n⌴⌀11 H13 ↧6.5", "ISO 2768-m")

    assert found.tolerance_source == "general"
    assert found.steps[0].upper.value == 0.27  # IT13 over 10 up to 18 mm


def test_resolving_twice_changes_nothing():
    general = GeneralTolerance("ISO 2768-m", "ISO 2768", "m")
    for text in ("25", "⌀25 H7", "25 ±0.1", "(25)", "25.02\n24.98", "⌀25 H7/g6", "⌀25 H7 ±0.02"):
        once = resolve(read(text), general)
        assert resolve(once, general) == once
