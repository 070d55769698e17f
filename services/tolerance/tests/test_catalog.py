import copy
import tomllib

import pytest

from services.tolerance.catalog import parse_catalog
from services.tolerance.data_files import FOLDER


@pytest.fixture(scope="module")
def document():
    return tomllib.loads((FOLDER / "data" / "catalog.toml").read_text("utf-8"))


def test_every_entry_names_a_source_that_exists(catalog):
    named = [
        *(process.source for process in catalog.processes.values()),
        *(family.source for family in catalog.families.values()),
        *(zone.source for zone in catalog.zones.values()),
        catalog.slenderness.source,
        catalog.thinness.source,
    ]

    assert set(named) <= set(catalog.sources)


def test_assumptions_are_never_marked_as_verified(catalog):
    entries = [*catalog.processes.values(), *catalog.families.values(), *catalog.zones.values()]

    assert not any(entry.verified for entry in entries if entry.source == "assumption")


def test_typical_grade_lies_in_the_range_of_its_process(catalog):
    for process in catalog.processes.values():
        assert process.it_grades[0] <= process.it_typical <= process.it_grades[1]


def test_plastics_are_held_less_tightly_than_steel_and_titanium(catalog):
    factor = {name: family.factor for name, family in catalog.families.items()}

    assert factor["plastic"] > factor["titanium"] > factor["steel"] > factor["brass"]


@pytest.mark.parametrize(
    ("section", "entry", "field"),
    [
        ("materials", "pom", {"family": "wood"}),
        ("processes", "milling", {"families": ["wood"]}),
        ("processes", "milling", {"features": ["thread"]}),
        ("processes", "milling", {"source": "hearsay"}),
        ("features", "plane", {"characteristics": ["beauty"]}),
    ],
)
def test_name_that_is_not_defined_is_refused(document, section, entry, field):
    broken = copy.deepcopy(document)
    broken[section][entry].update(field)

    with pytest.raises(ValueError, match="does not define"):
        parse_catalog(broken)
