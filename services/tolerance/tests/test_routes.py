import pytest

from services.tolerance.schemas import CatalogResponse, PredictResponse

PREDICT = "/v1/tolerance/predict"


def plate(**changes):
    part = {
        "material": "al_6061",
        "process": "milling",
        "feature": "plane",
        "dimensions_mm": {"length": 100, "width": 50, "thickness": 12},
        "characteristics": ["flatness"],
    }
    return {**part, **changes}


async def post(client, *parts, **options):
    return await client.post(PREDICT, json={"parts": list(parts), **options})


def faults(answer):
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "invalid_input"
    return {fault["loc"]: fault["msg"] for fault in answer.json()["errors"]}


async def test_prediction_has_the_documented_shape(client):
    answer = await post(client, plate(id="p1", spec_mm=0.1), explain=True)

    assert answer.status_code == 200
    assert answer.headers["x-model"] == "demo-tolerance"
    body = PredictResponse.model_validate(answer.json(), extra="forbid")
    assert body.model == "demo-tolerance"
    assert body.results[0].id == "p1"
    assert body.results[0].verdict is not None
    assert body.results[0].contributions is not None


async def test_verdict_and_contributions_are_left_out_unless_asked_for(client):
    (result,) = (await post(client, plate())).json()["results"]

    assert "verdict" not in result
    assert "contributions" not in result


async def test_thousand_parts_are_answered_in_order(client):
    parts = [plate(id=str(index), dimensions_mm={"length": 1 + index}) for index in range(1000)]

    answer = await post(client, *parts)

    assert [each["id"] for each in answer.json()["results"]] == [str(i) for i in range(1000)]


async def test_many_parts_are_explained_like_each_alone(client):
    parts = [plate(dimensions_mm={"length": 10 + 5 * index}) for index in range(70)]

    together = (await post(client, *parts, explain=True)).json()["results"]
    (alone,) = (await post(client, parts[66], explain=True)).json()["results"]

    assert together[66]["contributions"] == alone["contributions"]


async def test_unknown_material_is_refused_with_the_allowed_ones(client):
    found = faults(await post(client, plate(), plate(material="unobtainium")))

    assert list(found) == ["parts.1.material"]
    assert "'unobtainium'" in found["parts.1.material"]
    assert "al_6061" in found["parts.1.material"]


async def test_unknown_process_is_refused_with_the_allowed_ones(client):
    found = faults(await post(client, plate(process="wishing")))

    assert "turning" in found["parts.0.process"]


async def test_unknown_feature_is_refused_with_the_allowed_ones(client):
    found = faults(await post(client, plate(feature="sphere")))

    assert "plane, cylinder, hole, pattern" in found["parts.0.feature"]


async def test_characteristic_that_does_not_apply_is_refused(client):
    part = plate(
        process="turning", feature="cylinder", dimensions_mm={"diameter": 20, "length": 40}
    )

    found = faults(await post(client, part))

    assert "'flatness' does not apply to a cylinder" in found["parts.0.characteristics.0"]
    assert "cylindricity, position" in found["parts.0.characteristics.0"]


async def test_process_that_cannot_make_the_feature_is_refused(client):
    found = faults(await post(client, plate(process="drilling")))

    assert "drilling makes no plane" in found["parts.0.process"]
    assert "milling" in found["parts.0.process"]


@pytest.mark.parametrize("size", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_number_that_is_not_finite_is_refused(client, size):
    body = (
        '{"parts":[{"material":"al_6061","process":"milling","feature":"plane",'
        f'"dimensions_mm":{{"length":{size}}},"characteristics":["flatness"]}}]}}'
    )

    answer = await client.post(PREDICT, content=body, headers={"content-type": "application/json"})

    assert "parts.0.dimensions_mm.length" in faults(answer)


@pytest.mark.parametrize("size", [0, -0.0, -5, 3150.001, 1e300, 5e-324])
async def test_size_out_of_range_is_refused_with_the_range(client, size):
    found = faults(await post(client, plate(dimensions_mm={"length": size})))

    assert found["parts.0.dimensions_mm.length"].endswith("expected 0.001 to 3150")


async def test_zero_diameter_is_refused(client):
    part = plate(
        process="turning",
        feature="cylinder",
        dimensions_mm={"diameter": 0, "length": 5},
        characteristics=["cylindricity"],
    )

    assert list(faults(await post(client, part))) == ["parts.0.dimensions_mm.diameter"]


@pytest.mark.parametrize(
    ("feature", "characteristic", "dimensions", "needed"),
    [
        ("plane", "flatness", {"thickness": 5}, "length, width or diameter"),
        ("hole", "cylindricity", {"depth": 5}, "diameter"),
        ("hole", "position", {"diameter": 5}, "location_x or location_y"),
    ],
)
async def test_missing_dimension_is_named(client, feature, characteristic, dimensions, needed):
    part = plate(feature=feature, characteristics=[characteristic], dimensions_mm=dimensions)

    found = faults(await post(client, part))

    assert needed in found["parts.0.dimensions_mm"]


@pytest.mark.parametrize(
    ("changes", "loc"),
    [
        ({"spec_mm": 0}, "parts.0.spec_mm"),
        ({"spec_mm": 4000}, "parts.0.spec_mm"),
        ({"spec_mm": {"position": 0.1}}, "parts.0.spec_mm.position"),
        ({"spec_mm": {"flatness": -1}}, "parts.0.spec_mm.flatness"),
        ({"characteristics": []}, "parts.0.characteristics"),
        ({"characteristics": ["flatness", "flatness"]}, "parts.0.characteristics"),
        ({"id": "x" * 129}, "parts.0.id"),
        ({"colour": "red"}, "parts.0.colour"),
        ({"dimensions_mm": {"length": "100"}}, "parts.0.dimensions_mm.length"),
        ({"dimensions_mm": {"length": True}}, "parts.0.dimensions_mm.length"),
        ({"material": None}, "parts.0.material"),
    ],
)
async def test_wrong_field_is_named(client, changes, loc):
    assert loc in faults(await post(client, plate(**changes)))


@pytest.mark.parametrize(
    ("options", "loc"),
    [
        ({"cpk_target": 0}, "cpk_target"),
        ({"cpk_target": 4}, "cpk_target"),
        ({"confidence_level": 1}, "confidence_level"),
        ({"confidence_level": 0.1}, "confidence_level"),
        ({"explain": "yes"}, "explain"),
        ({"unit": "inch"}, "unit"),
    ],
)
async def test_wrong_option_is_named(client, options, loc):
    assert loc in faults(await post(client, plate(), **options))


@pytest.mark.parametrize("count", [0, 1001])
async def test_too_few_or_too_many_parts_are_refused(client, count):
    found = faults(await post(client, *[plate()] * count))

    assert "1 to 1000" in found["parts"]


async def test_long_lists_of_faults_are_cut(client):
    found = faults(await post(client, *[plate(material="x")] * 500))

    assert len(found) == 20


async def test_body_that_is_not_json_is_refused(client):
    answer = await client.post(PREDICT, content=b"{", headers={"content-type": "application/json"})

    assert 400 <= answer.status_code < 500


async def test_other_method_is_refused(client):
    assert (await client.get(PREDICT)).status_code == 405


async def test_fit_is_resolved_in_millimetres(client):
    answer = await client.get("/v1/tolerance/iso286", params={"size_mm": 25, "fit": "g6"})

    body = answer.json()
    assert answer.status_code == 200
    assert (body["upper_limit_mm"], body["lower_limit_mm"]) == (24.993, 24.98)
    assert body["kind"] == "shaft"
    assert body["verified"] is True


async def test_fit_from_an_unconfirmed_table_says_so(client):
    answer = await client.get("/v1/tolerance/iso286", params={"size_mm": 25, "fit": "s6"})

    assert answer.json()["verified"] is False


@pytest.mark.parametrize(
    ("query", "loc"),
    [
        ({"size_mm": 25, "fit": "Q7"}, "fit"),
        ({"size_mm": 600, "fit": "g6"}, "size_mm"),
        ({"size_mm": 0, "fit": "H7"}, "size_mm"),
        ({"size_mm": "nan", "fit": "H7"}, "size_mm"),
        ({"size_mm": 3151, "fit": "H7"}, "size_mm"),
        ({"size_mm": 25}, "fit"),
        ({"size_mm": 25, "fit": "H7", "unit": "inch"}, "unit"),
    ],
)
async def test_wrong_fit_query_is_named(client, query, loc):
    assert loc in faults(await client.get("/v1/tolerance/iso286", params=query))


async def test_general_tolerances_of_both_parts_are_listed(client):
    answer = await client.get("/v1/tolerance/iso2768", params={"size_mm": 50, "class": "mK"})

    body = answer.json()
    by_name = {each["name"]: each for each in body["tolerances"]}
    assert body["class"] == "mK"
    assert by_name["linear"]["plus_minus_mm"] == 0.3
    assert by_name["angle"]["plus_minus_deg"] == 0.5
    assert by_name["straightness_flatness"]["zone_mm"] == 0.2
    assert by_name["symmetry"]["verified"] is False
    assert "cylindricity" in body["without_general_tolerance"]
    assert "withdrawn in 2021" in body["notes"][0]


@pytest.mark.parametrize(
    ("query", "loc"),
    [
        ({"size_mm": 50, "class": "z"}, "class"),
        ({"size_mm": 50, "class": ""}, "class"),
        ({"size_mm": 0.0, "class": "m"}, "size_mm"),
        ({"size_mm": 3200, "class": "m"}, "size_mm"),
        ({"size_mm": 3100, "class": "H"}, "size_mm"),
    ],
)
async def test_wrong_general_tolerance_query_is_named(client, query, loc):
    if query["class"] == "H":
        # Run-out, symmetry and the rest all end at 3000 mm, so nothing is left to answer.
        assert "3000" in faults(await client.get("/v1/tolerance/iso2768", params=query))[loc]
    else:
        assert loc in faults(await client.get("/v1/tolerance/iso2768", params=query))


async def test_size_below_half_a_millimetre_has_no_linear_general_tolerance(client):
    answer = await client.get("/v1/tolerance/iso2768", params={"size_mm": 0.4, "class": "m"})

    body = answer.json()
    assert [each["name"] for each in body["tolerances"]] == ["angle"]
    assert "individual tolerance" in body["not_defined"][0]


async def test_catalog_lists_what_requests_may_name(client, catalog):
    body = CatalogResponse.model_validate((await client.get("/v1/tolerance/catalog")).json())

    assert list(body.materials) == list(catalog.materials)
    assert list(body.processes) == list(catalog.processes)
    assert body.processes["drilling"].characteristics["hole"] == ["cylindricity", "position"]
    assert "plane" not in body.processes["drilling"].characteristics
    assert body.model == "demo-tolerance"
