import pytest

from services.tolerance.cases import measure
from services.tolerance.parts import Dimensions
from services.tolerance.rules import apply_rule


def rule_mm(knowledge, material, process, feature, characteristic, **dimensions):
    case = knowledge.cases[(material, process, feature, characteristic)]
    geometry = measure(feature, characteristic, Dimensions(**dimensions))
    return apply_rule(case, geometry).value_mm


def hole_mm(knowledge, process, material="al_6061"):
    return rule_mm(knowledge, material, process, "hole", "cylindricity", diameter=30.0, depth=30.0)


def test_rule_multiplies_the_grade_of_the_standard(knowledge):
    # Milling: IT10 of 80 to 120 mm is 140 um; relative accuracy B 0.40; aluminium 0.95.
    value_mm = rule_mm(knowledge, "al_6061", "milling", "plane", "flatness", length=100.0)

    assert value_mm == pytest.approx(0.40 * 0.140 * 0.95)


def test_slender_and_thin_parts_widen_the_zone(knowledge):
    short = rule_mm(knowledge, "steel_s45c", "turning", "cylinder", "cylindricity",
                    diameter=10.0, length=30.0)  # fmt: skip
    slender = rule_mm(knowledge, "steel_s45c", "turning", "cylinder", "cylindricity",
                      diameter=10.0, length=100.0)  # fmt: skip
    stiff = rule_mm(knowledge, "steel_s45c", "milling", "plane", "flatness",
                    length=100.0, thickness=10.0)  # fmt: skip
    thin = rule_mm(knowledge, "steel_s45c", "milling", "plane", "flatness",
                   length=100.0, thickness=2.0)  # fmt: skip

    assert slender / short == pytest.approx(1 + 0.05 * 7)
    assert thin / stiff == pytest.approx(1 + 40 / 50)


def test_processes_keep_their_known_order(knowledge):
    order = ["lapping", "grinding_cylindrical", "reaming", "turning", "milling", "drilling",
             "die_casting", "sand_casting"]  # fmt: skip

    values = [hole_mm(knowledge, process) for process in order]

    assert values == sorted(values)
    assert len(set(values)) == len(values)


def test_plates_and_shafts_fall_into_the_range_of_practice(knowledge):
    plate = rule_mm(knowledge, "al_6061", "milling", "plane", "flatness", length=50.0)
    ground = rule_mm(knowledge, "steel_s45c", "grinding_cylindrical", "cylinder", "cylindricity",
                     diameter=30.0)  # fmt: skip
    printed = rule_mm(knowledge, "inconel_718", "lpbf", "plane", "flatness", length=50.0)
    printed_hole = rule_mm(knowledge, "inconel_718", "lpbf", "hole", "cylindricity", diameter=15.0)

    assert 0.005 <= plate <= 0.2
    assert 0.001 <= ground <= 0.01
    assert 0.05 <= printed <= 0.3
    assert 0.02 <= printed_hole <= 0.15


def test_cylindricity_stays_within_the_size_tolerance_of_the_same_grade(knowledge, tables):
    for case in knowledge.cases.values():
        if case.characteristic == "cylindricity":
            assert case.ratio < 1
