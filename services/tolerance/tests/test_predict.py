from math import floor, log, log10

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from services.tolerance.asks import Ask
from services.tolerance.cases import measure
from services.tolerance.parts import Dimensions, Part, PredictRequest
from services.tolerance.predict import InvalidRequest, model_input, prepare
from services.tolerance.tests.asking import ask, bore, hole_pattern, plate, shaft

SIZES = st.floats(1.01, 3150, allow_subnormal=False)


@pytest.fixture(scope="module")
def log_value(knowledge, engine):
    """ln(mm) of the model for a case and its dimensions, in or out of the domain."""

    def predict(key, *dimensions):
        case = knowledge.cases[key]
        geometries = [measure(key[2], key[3], Dimensions(**each)) for each in dimensions]
        (values,) = engine.run(Ask.LOG_VALUES, [model_input([case] * len(geometries), geometries)])
        return values

    return predict


def keys(knowledge, characteristic):
    return st.sampled_from([key for key in knowledge.cases if key[3] == characteristic])


@settings(max_examples=150, deadline=None)
@given(st.data(), SIZES, SIZES, st.floats(0.5, 100))
def test_larger_faces_are_never_predicted_flatter(
    knowledge, log_value, data, first, second, thickness
):
    key = data.draw(keys(knowledge, "flatness"))
    small, large = sorted((first, second))

    lower, upper = log_value(
        key, {"length": small, "thickness": thickness}, {"length": large, "thickness": thickness}
    )

    assert lower <= upper


@settings(max_examples=150, deadline=None)
@given(st.data(), SIZES, SIZES, st.floats(0.1, 20))
def test_larger_cylinders_of_one_shape_are_never_predicted_rounder(
    knowledge, log_value, data, first, second, slenderness
):
    key = data.draw(keys(knowledge, "cylindricity"))
    small, large = sorted((first, second))
    reach = "depth" if key[2] == "hole" else "length"
    assume(large > small * 1.0001)  # the ratio of two floats can differ in its last bit

    lower, upper = log_value(
        key,
        {"diameter": small, reach: small * slenderness},
        {"diameter": large, reach: large * slenderness * 1.00001},
    )

    assert lower <= upper


@settings(max_examples=150, deadline=None)
@given(st.data(), SIZES, SIZES, SIZES)
def test_longer_cylinders_are_never_predicted_rounder(
    knowledge, log_value, data, diameter, first, second
):
    key = data.draw(keys(knowledge, "cylindricity"))
    short, long = sorted((first, second))
    reach = "depth" if key[2] == "hole" else "length"

    lower, upper = log_value(
        key, {"diameter": diameter, reach: short}, {"diameter": diameter, reach: long}
    )

    assert lower <= upper


@settings(max_examples=150, deadline=None)
@given(st.data(), SIZES, SIZES)
def test_farther_holes_are_never_predicted_closer_to_their_position(
    knowledge, log_value, data, first, second
):
    key = data.draw(keys(knowledge, "position"))
    near, far = sorted((first, second))

    lower, upper = log_value(key, {"location_x": near}, {"location_y": far})

    assert lower <= upper


@settings(max_examples=150, deadline=None)
@given(st.data(), SIZES, st.floats(0.5, 100), st.floats(0.5, 100))
def test_thinner_plates_are_never_predicted_flatter(
    knowledge, log_value, data, length, first, second
):
    key = data.draw(keys(knowledge, "flatness"))
    thin, thick = sorted((first, second))

    lower, upper = log_value(
        key, {"length": length, "thickness": thick}, {"length": length, "thickness": thin}
    )

    assert lower <= upper


def test_finer_processes_are_predicted_to_hold_less(knowledge, bundle, engine):
    order = ["lapping", "grinding_cylindrical", "reaming", "turning", "drilling", "die_casting",
             "sand_casting"]  # fmt: skip

    found = ask(knowledge, bundle, engine, [bore("al_6061", process) for process in order])

    values = [each.value_mm for each in found]
    assert values == sorted(values)


def test_known_parts_fall_into_the_range_of_practice(knowledge, bundle, engine):
    plate_mm, shaft_mm, lpbf_plate_mm, lpbf_bore_mm = (
        each.value_mm
        for each in ask(
            knowledge,
            bundle,
            engine,
            [
                plate(length=50.0, thickness=10.0),
                shaft(process="grinding_cylindrical"),
                plate("inconel_718", "lpbf", length=50.0, width=25.0, thickness=20.0),
                bore("inconel_718", "lpbf", diameter=15.0, depth=20.0),
            ],
        )
    )

    assert 0.005 <= plate_mm <= 0.2
    assert 0.001 <= shaft_mm <= 0.01
    assert 0.05 <= lpbf_plate_mm <= 0.3
    assert 0.02 <= lpbf_bore_mm <= 0.15


def test_answer_carries_value_interval_baseline_method_and_domain(knowledge, bundle, engine):
    (found,) = ask(knowledge, bundle, engine, [plate()])

    assert found.interval_mm[0] < found.value_mm < found.interval_mm[1]
    assert found.baseline.value_mm == pytest.approx(0.056)
    assert found.baseline.basis == "0.4 x IT10 at 100 mm"
    assert found.baseline.standard == "ISO 286-1:2010"
    assert found.baseline.grade == "IT10"
    assert found.method == "model"
    assert found.in_domain
    assert found.warnings == []


def test_higher_capability_widens_the_zone_in_proportion(knowledge, bundle, engine):
    (usual,) = ask(knowledge, bundle, engine, [plate()], cpk_target=1.33)
    (strict,) = ask(knowledge, bundle, engine, [plate()], cpk_target=2.66)

    assert strict.value_mm == pytest.approx(2 * usual.value_mm, rel=1e-3)
    assert strict.baseline.value_mm == pytest.approx(2 * usual.baseline.value_mm, rel=1e-3)


def test_answers_come_in_the_order_of_parts_and_their_characteristics(knowledge, bundle, engine):
    hole = Part(
        id="b",
        material="al_6061",
        process="milling",
        feature="hole",
        dimensions_mm=Dimensions(diameter=8.0, depth=10.0, location_x=40.0),
        characteristics=["position", "cylindricity"],
    )

    found = ask(knowledge, bundle, engine, [plate(), hole, hole_pattern()])

    assert [(each.id, each.characteristic) for each in found] == [
        ("0", "flatness"), ("b", "position"), ("b", "cylindricity"), ("2", "position")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (bore(diameter=150.0), "size_mm 150"),
        (bore(diameter=10.0, depth=900.0), "slenderness 90"),
        (plate(thickness=0.5), "thinness 200"),
        (plate("pom", "die_casting"), "no training data for plastic"),
    ],
)
def test_parts_outside_the_training_data_are_answered_by_rule(
    knowledge, bundle, engine, part, reason
):
    (found,) = ask(knowledge, bundle, engine, [part])

    assert found.method == "rule"
    assert not found.in_domain
    assert reason in found.warnings[0]


def test_dimensions_that_sharpen_the_answer_are_asked_for(knowledge, bundle, engine):
    parts = [plate(thickness=None), bore(depth=None), shaft(length=None)]

    warnings = [each.warnings for each in ask(knowledge, bundle, engine, parts)]

    assert warnings == [
        ["thickness not given: the part is taken as stiff"],
        ["depth not given: the part is taken as not slender"],
        ["length not given: the part is taken as not slender"],
    ]


def test_dimension_that_the_feature_does_not_have_is_said_to_be_unused(knowledge, bundle, engine):
    part = Part(
        **{**_fields(hole_pattern()), "dimensions_mm": Dimensions(length=5.0, location_x=9.0)}
    )

    (found,) = ask(knowledge, bundle, engine, [part])

    assert found.warnings == ["length is not a dimension of a pattern: not used"]


@pytest.mark.parametrize(
    ("spec_mm", "status"), [(0.5, "pass"), (0.05, "marginal"), (0.001, "fail")]
)
def test_verdict_follows_the_interval(knowledge, bundle, engine, spec_mm, status):
    part = Part(**{**_fields(plate()), "spec_mm": spec_mm})

    (found,) = ask(knowledge, bundle, engine, [part])

    assert found.verdict.status == status
    assert found.verdict.margin_mm == pytest.approx(spec_mm - found.value_mm, abs=1e-4)


def test_probability_of_a_verdict_is_that_of_the_calibration(knowledge, bundle, engine):
    scores = bundle.calibration[("milling", "flatness")].model
    (plain,) = ask(knowledge, bundle, engine, [plate()])
    median_mm = plain.value_mm * 2.718281828 ** scores[499]
    part = Part(**{**_fields(plate()), "spec_mm": median_mm})

    (found,) = ask(knowledge, bundle, engine, [part])

    assert found.verdict.probability == pytest.approx(0.5, abs=0.003)


def test_specs_can_differ_by_characteristic(knowledge, bundle, engine):
    hole = Part(
        material="al_6061",
        process="milling",
        feature="hole",
        dimensions_mm=Dimensions(diameter=8.0, depth=10.0, location_x=40.0),
        characteristics=["position", "cylindricity"],
        spec_mm={"position": 0.2},
    )

    position, cylindricity = ask(knowledge, bundle, engine, [hole])

    assert position.verdict.spec_mm == 0.2
    assert not cylindricity.verdict


def test_batched_rows_give_the_answers_of_single_rows(knowledge, bundle, engine):
    parts = [plate(length=float(size)) for size in range(2, 200, 7)]

    together = ask(knowledge, bundle, engine, parts)
    alone = [ask(knowledge, bundle, engine, [part])[0] for part in parts]

    assert [each.value_mm for each in together] == [each.value_mm for each in alone]


def test_model_answers_near_the_rule_that_it_learned_from(knowledge, bundle, engine):
    parts = [plate(length=20.0), shaft(), bore(), hole_pattern()]
    rows = prepare(knowledge, PredictRequest(parts=parts))

    for row, found in zip(rows, ask(knowledge, bundle, engine, parts), strict=True):
        assert abs(log(found.value_mm / row.rule.value_mm)) < 0.5


def test_every_wrong_field_of_a_request_is_listed(knowledge):
    wrong = Part(
        material="unobtainium",
        process="milling",
        feature="plane",
        dimensions_mm=Dimensions(length=-1.0),
        characteristics=["flatness"],
    )

    with pytest.raises(InvalidRequest) as caught:
        prepare(knowledge, PredictRequest(parts=[plate(), wrong], cpk_target=99.0))

    assert [each.loc for each in caught.value.problems] == [
        ("cpk_target",), ("parts", 1, "material"), ("parts", 1, "dimensions_mm", "length")
    ]  # fmt: skip


def _fields(part):
    return {name: getattr(part, name) for name in part.__struct_fields__}


@settings(max_examples=100, deadline=None)
@given(SIZES, st.floats(0.33, 3.0))
def test_lengths_are_shown_as_rounding_shows_them(knowledge, bundle, engine, length, cpk_target):
    (found,) = ask(knowledge, bundle, engine, [plate(length=length)], cpk_target=cpk_target)

    shown = (found.value_mm, *found.interval_mm, found.baseline.value_mm)
    digits = 4 - floor(log10(found.value_mm))  # one more: what is rounded up may gain a place
    assert shown == tuple(round(each, digits) for each in shown)
