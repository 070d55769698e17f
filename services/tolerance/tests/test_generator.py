from itertools import islice

import numpy as np
import pytest

from services.tolerance.generator import generate
from services.tolerance.rules import apply_rule

ROWS = 150


@pytest.fixture(scope="module")
def samples(catalog, tables, knowledge):
    return list(generate(catalog, tables, knowledge.cases, rows_per_category=ROWS, seed=5))


def test_same_seed_gives_the_same_parts(catalog, tables, knowledge, samples):
    again = generate(catalog, tables, knowledge.cases, rows_per_category=ROWS, seed=5)

    assert list(islice(again, 50)) == samples[:50]


def test_other_seed_gives_other_parts(catalog, tables, knowledge, samples):
    other = generate(catalog, tables, knowledge.cases, rows_per_category=ROWS, seed=6)

    assert list(islice(other, 50)) != samples[:50]


def test_every_part_is_one_that_its_process_usually_makes(catalog, samples):
    for sample in samples:
        process = catalog.processes[sample.case.process]
        assert sample.case.is_usual
        assert process.size_mm[0] <= sample.geometry.size_mm <= process.size_mm[1]
        assert sample.value_mm > 0


def test_every_process_draws_every_characteristic_it_has(catalog, samples):
    for name, process in catalog.processes.items():
        drawn = {s.case.characteristic for s in samples if s.case.process == name}
        possible = {c for f in process.features for c in catalog.characteristics_of(name, f)}
        assert drawn == possible


def test_noise_is_wider_in_casting_than_in_grinding(catalog):
    sigma = {name: process.noise_sigma for name, process in catalog.processes.items()}

    assert sigma["sand_casting"] == 0.5 == max(sigma.values())
    assert sigma["grinding_cylindrical"] == 0.15 == min(sigma.values())


def test_zones_spread_around_the_rule(catalog, samples):
    ratios = [np.log(s.value_mm / apply_rule(s.case, s.geometry).value_mm) for s in samples]

    assert abs(np.median(ratios)) < 0.15
    assert 0.3 < np.std(ratios) < 0.8
