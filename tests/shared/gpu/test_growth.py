import random

import pytest

from shared.gpu.growth import GrowthDetector, GrowthLimits, theil_sen_slope

MIB = 2**20


def judged(memory_of, samples=100):
    detector = GrowthDetector()
    for work in range(samples):
        detector.add(work, memory_of(work))
    return detector.verdict()


def test_planted_leak_is_caught_and_its_slope_measured():
    noise = random.Random(1)

    verdict = judged(lambda work: 500 * MIB + 2 * MIB * work + noise.gauss(0, 20 * MIB))

    assert verdict.is_growing
    assert verdict.slope_bytes == pytest.approx(2 * MIB, rel=0.2)


def test_steady_but_noisy_memory_is_no_leak():
    noise = random.Random(2)

    assert not judged(lambda work: 500 * MIB + noise.gauss(0, 50 * MIB)).is_growing


def test_growth_that_settles_is_no_leak():
    assert not judged(lambda work: 500 * MIB + min(work, 45) * 10 * MIB).is_growing


def test_single_jump_is_no_leak():
    assert not judged(lambda work: (500 if work < 80 else 900) * MIB).is_growing


def test_few_samples_give_no_verdict():
    assert not judged(lambda work: work * 100 * MIB, samples=10).is_growing


def test_old_samples_are_forgotten():
    detector = GrowthDetector(GrowthLimits(max_samples=50))
    for work in range(100):
        detector.add(work, work * 10 * MIB if work < 50 else 500 * MIB)

    assert not detector.verdict().is_growing


def test_slope_ignores_outliers():
    points = [(x, 3.0 * x) for x in range(20)]
    points[5], points[11] = (5, 1e9), (11, -1e9)

    assert theil_sen_slope(points) == pytest.approx(3.0)
