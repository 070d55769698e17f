from math import exp

import numpy as np
import pytest

from services.tolerance.asks import Ask
from services.tolerance.evaluation import coverage, log_ratios, rows_by_category
from services.tolerance.generator import generate
from services.tolerance.intervals import compress_scores, interval_factors, probability_below
from services.tolerance.predict import model_input

FRESH_SEED = 777  # apart from the seeds of training, calibration and the card
FRESH_ROWS = 1500  # per process and characteristic


@pytest.fixture(scope="module")
def fresh_ratios(catalog, tables, knowledge, engine):
    """ln(actual / predicted) of fresh parts, by process and characteristic."""
    samples = list(
        generate(catalog, tables, knowledge.cases, rows_per_category=FRESH_ROWS, seed=FRESH_SEED)
    )
    inputs = model_input([s.case for s in samples], [s.geometry for s in samples])
    (log_values,) = engine.run(Ask.LOG_VALUES, [inputs])
    ratios = log_ratios(samples, log_values)
    return {category: ratios[rows] for category, rows in rows_by_category(samples).items()}


@pytest.mark.parametrize("confidence_level", [0.8, 0.9, 0.95])
def test_interval_covers_its_share_of_fresh_parts_in_every_process(
    catalog, bundle, fresh_ratios, confidence_level
):
    for process in catalog.processes:
        shares = [
            coverage(bundle.calibration[category].model, ratios, confidence_level)
            for category, ratios in fresh_ratios.items()
            if category[0] == process
        ]
        assert np.mean(shares) == pytest.approx(confidence_level, abs=0.02), process


def test_interval_covers_its_share_of_every_characteristic(bundle, fresh_ratios):
    # Of 1500 parts the share itself scatters by 0.9 points, and 52 categories are looked at.
    for category, ratios in fresh_ratios.items():
        share = coverage(bundle.calibration[category].model, ratios, 0.9)
        assert share == pytest.approx(0.9, abs=0.03), category


def test_one_width_for_everything_would_not_cover_each_category(bundle, fresh_ratios):
    pooled = sorted(np.concatenate([s.model for s in bundle.calibration.values()]).tolist())

    shares = [coverage(pooled, ratios, 0.9) for ratios in fresh_ratios.values()]

    assert min(shares) < 0.85
    assert max(shares) > 0.95


def test_ranks_are_those_of_split_conformal_prediction():
    scores = [float(rank) / 100 for rank in range(1, 100)]  # 99 scores: the k-th is quantile k %

    factors = interval_factors(scores, 0.9)

    assert factors.low == pytest.approx(exp(0.05))
    assert factors.high == pytest.approx(exp(0.95))
    assert factors.is_reached


def test_level_beyond_the_calibration_is_said_not_to_be_reached():
    scores = [-0.5, 0.0, 0.5]

    factors = interval_factors(scores, 0.9)

    assert (factors.low, factors.high) == (pytest.approx(exp(-0.5)), pytest.approx(exp(0.5)))
    assert not factors.is_reached


def test_wider_level_never_narrows_the_interval(bundle):
    scores = bundle.calibration[("milling", "flatness")].model
    levels = np.linspace(0.5, 0.99, 50)

    factors = [interval_factors(scores, float(level)) for level in levels]

    assert all(a.low >= b.low for a, b in zip(factors, factors[1:], strict=False))
    assert all(a.high <= b.high for a, b in zip(factors, factors[1:], strict=False))


def test_probability_counts_scores_up_to_the_ratio():
    assert probability_below([-1.0, 0.0, 1.0], -2.0) == 0.0
    assert probability_below([-1.0, 0.0, 1.0], 0.0) == 0.5
    assert probability_below([-1.0, 0.0, 1.0], 5.0) == 0.75


def test_compressed_scores_keep_the_same_quantiles():
    scores = np.random.default_rng(1).normal(size=9999).tolist()

    kept = compress_scores(scores)

    assert len(kept) == 999
    assert interval_factors(kept, 0.9) == interval_factors(sorted(scores), 0.9)


def test_short_calibrations_are_kept_whole():
    assert compress_scores([0.3, -0.1, 0.2]) == [-0.1, 0.2, 0.3]


def test_scores_beyond_a_multiple_are_left_out():
    scores = np.random.default_rng(1).normal(size=2500).tolist()

    assert compress_scores(scores) == compress_scores(scores[:1999])
