from math import exp

import numpy as np
import pytest

from services.tolerance.asks import Ask
from services.tolerance.evaluation import coverage, log_ratios
from services.tolerance.generator import generate
from services.tolerance.intervals import compress_scores, interval_factors, probability_below
from services.tolerance.predict import model_input

FRESH_SEED = 777  # apart from the seeds of training, calibration and the card
FRESH_ROWS = 3000  # per process; with 10,000 calibration rows the coverage scatters by 0.6 points


@pytest.fixture(scope="module")
def fresh_ratios(catalog, tables, knowledge, engine):
    samples = list(
        generate(catalog, tables, knowledge.cases, rows_per_process=FRESH_ROWS, seed=FRESH_SEED)
    )
    inputs = model_input([s.case for s in samples], [s.geometry for s in samples])
    (log_values,) = engine.run(Ask.LOG_VALUES, [inputs])
    return log_ratios(samples, log_values).reshape(len(catalog.processes), FRESH_ROWS)


@pytest.mark.parametrize("confidence_level", [0.5, 0.8, 0.9, 0.95])
def test_interval_covers_its_share_of_fresh_parts_in_every_process(
    catalog, bundle, fresh_ratios, confidence_level
):
    # At 50 % the count itself scatters more; two points hold for the levels that users ask for.
    allowed = 0.02 if confidence_level >= 0.8 else 0.03
    for process, ratios in zip(catalog.processes, fresh_ratios, strict=True):
        share = coverage(bundle.calibration[process].model, ratios, confidence_level)
        assert share == pytest.approx(confidence_level, abs=allowed), process


def test_one_width_for_all_processes_would_not_cover_each(catalog, bundle, fresh_ratios):
    pooled = sorted(np.concatenate([s.model for s in bundle.calibration.values()]).tolist())

    shares = [coverage(pooled, ratios, 0.9) for ratios in fresh_ratios]

    assert min(shares) < 0.87
    assert max(shares) > 0.93


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
    scores = bundle.calibration["milling"].model
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


def test_scores_that_cannot_be_compressed_exactly_are_refused():
    with pytest.raises(ValueError, match="1500"):
        compress_scores([0.0] * 1500)
