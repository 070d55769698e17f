import pytest

from services.tolerance.cases import Geometry


def departures(knowledge, bundle, key, *geometry):
    case = knowledge.cases[key]
    return bundle.domain[case.process].departures(case, Geometry(*geometry))


FACE = ("al_6061", "milling", "plane", "flatness")


def test_usual_part_lies_inside(knowledge, bundle):
    assert departures(knowledge, bundle, FACE, 100.0, 0.0, 10.0) == []


def test_every_way_outside_is_named(knowledge, bundle):
    key = ("pom", "die_casting", "plane", "flatness")

    found = departures(knowledge, bundle, key, 2000.0, 0.0, 500.0)

    assert len(found) == 3
    assert "plastic with die_casting" in found[0]
    assert "size_mm 2000" in found[1]
    assert "thinness 500" in found[2]


@pytest.mark.parametrize("thinness", [0.0, 1.0, 99.0])
def test_domain_starts_where_a_dimension_is_not_given(knowledge, bundle, thinness):
    assert departures(knowledge, bundle, FACE, 100.0, 0.0, thinness) == []


def test_every_process_has_a_domain_within_its_declared_sizes(catalog, bundle):
    for name, process in catalog.processes.items():
        low, high = bundle.domain[name].size_mm
        assert process.size_mm[0] <= low < high <= process.size_mm[1]
