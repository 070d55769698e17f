"""The model card's claims, measured again."""

import pytest

from services.tolerance.asks import Ask
from services.tolerance.data_files import DEMO_MODEL_FOLDER, PUBLISHED_FILE
from services.tolerance.evaluation import compare_published, read_published
from services.tolerance.predict import model_input


@pytest.fixture(scope="module")
def published(knowledge, engine, bundle, catalog):
    values = read_published(PUBLISHED_FILE.read_text("utf-8").splitlines(), knowledge.cases)
    inputs = model_input([v.case for v in values], [v.sample.geometry for v in values])
    (log_values,) = engine.run(Ask.LOG_VALUES, [inputs])
    return compare_published(values, log_values, bundle.calibration, catalog.reference_cpk)


def test_every_published_value_lies_in_its_interval(published):
    assert len(published) == 5
    assert all(result.is_inside for result in published)


def test_predictions_of_published_parts_are_within_a_factor_of_three(published):
    # Two of the five are measured means, below the zone at Cpk 1.33 that is predicted.
    assert all(1 / 3 < result.factor < 3 for result in published)


def test_measured_flatness_and_cylindricity_are_met_closer_at_the_same_capability(published):
    measured = [result for result in published if result.kind == "measured"]

    assert len(measured) == 2
    for result in measured:
        assert 0.7 < result.predicted_mm / result.capability_mm < 1.4


def test_card_states_the_errors_on_published_values(bundle, published):
    for stated, found in zip(bundle.card["published"], published, strict=True):
        assert stated["published_mm"] == found.published_mm
        assert stated["predicted_mm"] == pytest.approx(found.predicted_mm, rel=1e-4)


def test_card_states_coverage_near_nominal_in_every_category(bundle):
    stated = {
        (each["process"], each["characteristic"]): each["coverage"]["0.9"]
        for each in bundle.card["categories"]
    }

    assert set(stated) == set(bundle.calibration)
    assert all(share == pytest.approx(0.9, abs=0.02) for share in stated.values())


def test_card_calls_the_demo_model_a_synthetic_prior(bundle):
    text = (DEMO_MODEL_FOLDER / "MODEL_CARD.md").read_text("utf-8")

    assert "A synthetic prior" in text
    assert bundle.card["training"]["measured_rows"] == 0
    for name, digest in bundle.card["sha256"].items():
        assert f"| {name} | {digest} |" in text
