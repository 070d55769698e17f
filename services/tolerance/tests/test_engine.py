import dataclasses

import numpy as np
import pytest
import xgboost

from services.tolerance.asks import Ask
from services.tolerance.engine import ToleranceEngine
from shared.errors import EngineError, GantryError


@pytest.fixture(scope="module")
def rows(bundle):
    return np.array(bundle.golden_rows, dtype=np.float32)


def test_loaded_engine_names_its_model_and_that_it_is_a_demo(bundle):
    info = ToleranceEngine(lambda: bundle).load()

    assert info.model == "demo-tolerance"
    assert info.device == "cpu"
    assert info.demo


def test_rows_of_several_requests_share_one_batch_and_come_back_apart(engine, rows):
    together = engine.run(Ask.LOG_VALUES, [rows[:1], rows[1:4], rows[4:]])
    (at_once,) = engine.run(Ask.LOG_VALUES, [rows])

    assert [len(each) for each in together] == [1, 3, len(rows) - 4]
    assert np.concatenate(together).tolist() == at_once


def test_batch_agrees_with_xgboost_called_by_the_book(engine, bundle, rows):
    booster = xgboost.Booster(model_file=bundle.model_path)
    data = xgboost.DMatrix(rows, feature_names=booster.feature_names)

    (found,) = engine.run(Ask.LOG_VALUES, [rows])

    # Both sum the same float32 leaves; only the order of the sum may differ.
    assert found == pytest.approx(booster.predict(data).tolist(), abs=1e-5)


@pytest.mark.parametrize("count", [1, 3, 40])
def test_batch_gives_the_very_numbers_of_xgboosts_own_method(engine, bundle, rows, count):
    booster = xgboost.Booster(model_file=bundle.model_path)
    given = np.resize(rows, (count, rows.shape[1]))

    (found,) = engine.run(Ask.LOG_VALUES, [given])

    assert found == booster.inplace_predict(given, predict_type="margin").tolist()


def test_rows_of_another_width_are_refused(engine, rows):
    with pytest.raises(EngineError, match="columns"):
        engine.run(Ask.LOG_VALUES, [rows[:, :-1]])


def test_contributions_add_up_to_the_value(engine, rows):
    (values,) = engine.run(Ask.LOG_VALUES, [rows])
    explained = np.concatenate(engine.run(Ask.CONTRIBUTIONS, [rows[:3], rows[3:]]))

    assert explained.shape == (len(rows), rows.shape[1] + 1)
    assert explained.sum(axis=1) == pytest.approx(values, abs=1e-4)


def test_columns_of_the_weights_are_those_of_the_card(bundle):
    booster = xgboost.Booster(model_file=bundle.model_path)

    assert [name.replace(":", "=") for name in booster.feature_names] == list(bundle.columns)


def test_model_that_answers_otherwise_than_its_card_takes_no_traffic(bundle):
    shifted = [value + 0.01 for value in bundle.golden_log_values]
    engine = ToleranceEngine(lambda: dataclasses.replace(bundle, golden_log_values=tuple(shifted)))
    engine.load()

    with pytest.raises(EngineError, match="card"):
        engine.warm_up()


def test_gpu_that_cannot_be_used_is_an_error_not_a_silent_fallback(bundle):
    with pytest.raises(GantryError, match="cuda:7 cannot be used"):
        ToleranceEngine(lambda: bundle, device="cuda:7").load()
