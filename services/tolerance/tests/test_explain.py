from math import exp, fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tolerance.explain import effects_in_mm, explanation_groups, logarithmic_mean
from services.tolerance.tests.asking import ask, bore, plate

LOGS = st.floats(-3, 3)


@given(st.dictionaries(st.sampled_from("abcdef"), LOGS, min_size=1), st.floats(0.001, 10))
def test_effects_add_up_to_the_value_without_remainder(log_effects, typical_mm):
    effects = effects_in_mm(typical_mm=typical_mm, log_effects=log_effects, digits=12)

    value_mm = typical_mm * exp(fsum(log_effects.values()))
    assert fsum(each.effect_mm for each in effects) == pytest.approx(value_mm, rel=1e-6, abs=1e-9)


@given(LOGS, LOGS)
def test_effect_has_the_sign_of_its_contribution(first, second):
    effects = effects_in_mm(typical_mm=1.0, log_effects={"a": first, "b": second}, digits=15)

    found = {each.feature: each.effect_mm for each in effects}
    assert found["a"] * first >= 0
    assert found["b"] * second >= 0


def test_logarithmic_mean_is_that_of_its_definition():
    # (8 - 2) / ln 4
    assert logarithmic_mean(8.0, 2.0) == pytest.approx(4.328085, abs=1e-6)
    assert logarithmic_mean(3.0, 3.0) == 3.0


def test_every_column_belongs_to_a_property(bundle):
    groups = explanation_groups(bundle.columns)

    assert len(groups) == len(bundle.columns)
    assert set(groups) == {
        "size", "slenderness", "thinness", "process", "material", "characteristic", "feature"
    }  # fmt: skip


def test_contributions_of_the_model_add_up_to_its_answer(knowledge, bundle, engine):
    parts = [plate(), bore(), plate("pom", "fdm", length=300.0, thickness=2.0)]

    for found in ask(knowledge, bundle, engine, parts, explain=True, cpk_target=1.67):
        total = sum(each.effect_mm for each in found.contributions)
        assert total == pytest.approx(found.value_mm, rel=0.005)
        assert found.contributions[0].feature == "typical_part"


def test_contributions_of_the_rule_add_up_to_its_answer(knowledge, bundle, engine):
    (found,) = ask(
        knowledge, bundle, engine, [bore("pom", "reaming", diameter=120.0, depth=900.0)],
        explain=True,
    )  # fmt: skip

    assert found.method == "rule"
    total = sum(each.effect_mm for each in found.contributions)
    assert total == pytest.approx(found.value_mm, rel=0.005)


def test_thin_plate_is_explained_by_its_thinness(knowledge, bundle, engine):
    (thin,) = ask(knowledge, bundle, engine, [plate(length=200.0, thickness=2.1)], explain=True)

    effects = {each.feature: each.effect_mm for each in thin.contributions}
    assert effects["thinness"] > 0
    assert effects["thinness"] > abs(effects["slenderness"])
