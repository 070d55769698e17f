import pytest

from tests.gateway.upstream import Upstream, offered
from tests.shared import echo


@pytest.fixture
async def client(gateway_over):
    async with gateway_over(echo.build(), Upstream()) as (_, client, _urls):
        yield client


async def test_models_are_openais_list_with_our_facts(client):
    body = (await client.get("/v1/models")).json()

    assert body["object"] == "list"
    entry = next(each for each in body["data"] if each["service"] == "echo")
    assert entry["id"] == "echo"
    assert entry["object"] == "model"
    assert isinstance(entry["created"], int)
    assert (entry["version"], entry["device"], entry["status"]) == ("1.2.3", "cpu", "ready")
    assert entry["demo"] is False


async def test_one_model_is_found_by_its_id(client):
    assert (await client.get("/v1/models/m")).json()["service"] == "work"
    assert (await client.get("/v1/models/nothing")).status_code == 404


async def test_services_show_replicas_and_paths(client):
    services = (await client.get("/v1/services")).json()["services"]

    work = next(each for each in services if each["name"] == "work")
    assert work["status"] == "ready"
    assert work["paths"] == [{"path": "/v1/echo", "method": "POST"}]
    assert work["replicas"][0]["state"] == "ready"
    assert work["replicas"][0]["version"] == "1"
    assert work["replicas"][0]["memory"] == {"gpu_used_bytes": 5.0, "gpu_utilisation": 0.5}


async def test_readyz_tells_each_service_and_why_it_is_not_ready(gateway_over):
    dead = {"upstreams": {"ocr": "http://127.0.0.1:9"}}
    async with gateway_over(ready=False, **dead) as (gateway, client, _urls):
        await gateway.registry.services["ocr"].changed.wait()
        answer = await client.get("/readyz?verbose")

    assert answer.status_code == 503
    assert answer.json()["services"]["ocr"]["ready"] is False
    assert "refuses connections" in answer.json()["services"]["ocr"]["reason"]


async def test_livez_answers_without_any_service(gateway_over):
    async with gateway_over() as (_, client, _urls):
        assert (await client.get("/livez")).json() == {"status": "ok"}


async def test_metrics_count_requests_by_offered_path(client):
    await client.post("/v1/echo", json=1)

    text = (await client.get("/metrics")).text
    assert 'gantry_requests_total{method="POST",route="/v1/echo",status="200"} 1.0' in text
    assert 'gantry_replicas{service="work",state="ready"} 1.0' in text


async def test_openapi_holds_the_paths_of_all_services(client):
    document = (await client.get("/openapi.json")).json()

    assert document["paths"]["/v1/echo"]["post"]["tags"] == ["echo"]
    assert "/v1/models" in document["paths"]
    assert "/livez" not in document["paths"]


async def test_schemas_of_the_same_name_stay_apart(gateway_over):
    def describe(path, kind):
        answer = {"$ref": "#/components/schemas/Answer"}
        return {
            "paths": {path: {"post": {"operationId": "run", "x-answer": answer}}},
            "components": {"schemas": {"Answer": {"type": kind}}},
        }

    one = Upstream(name="one", paths=[offered("/v1/one")], openapi=describe("/v1/one", "string"))
    two = Upstream(name="two", paths=[offered("/v1/two")], openapi=describe("/v1/two", "number"))
    async with gateway_over(one, two) as (_, client, _urls):
        document = (await client.get("/openapi.json")).json()

    reference = document["paths"]["/v1/two"]["post"]["x-answer"]["$ref"]
    assert reference == "#/components/schemas/two.Answer"
    assert document["components"]["schemas"]["one.Answer"] == {"type": "string"}
    assert document["components"]["schemas"]["two.Answer"] == {"type": "number"}


async def test_docs_load_nothing_from_elsewhere(client):
    page = (await client.get("/docs")).text

    assert "https://" not in page
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"):
        assert f"/docs/assets/{name}" in page
        assert (await client.get(f"/docs/assets/{name}")).status_code == 200


async def test_other_files_are_not_served_as_assets(client):
    assert (await client.get("/docs/assets/redoc.standalone.js")).status_code == 404


async def test_a_service_cannot_take_a_path_of_the_gateway(gateway_over):
    greedy = Upstream(paths=[offered("/v1/models", "GET"), offered()])
    async with gateway_over(greedy) as (_, client, _urls):
        assert (await client.get("/v1/models")).json()["object"] == "list"


async def test_wrong_method_on_a_path_of_the_gateway_is_405(client):
    answer = await client.post("/v1/models")

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"
    assert answer.json()["code"] == "method_not_allowed"
