"""What every service has and answers, whatever it does."""

import importlib
import inspect
import tomllib

import httpx
import pytest

from deploy.discover import find_services
from deploy.example import first_request
from deploy.install import requirement_files
from shared.models.catalog import read_catalog
from shared.settings import SettingsError, settings_table
from tests.contract.conftest import ROOT

FILES = ("README.md", "requirements.in", "compose.yaml", "app.py", "settings.py")


@pytest.fixture
async def client(service, settings_class, has_engine, monkeypatch, tmp_path):
    """A client of the service as it is before its engines are loaded."""
    for name in settings_class.model_fields:
        monkeypatch.delenv(settings_class.prefix() + name.upper(), raising=False)
    app = importlib.import_module(f"{service.module}.app").build(
        settings_class(**({"models_dir": tmp_path / "models"} if has_engine else {}))
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


def test_every_folder_with_an_app_is_found_as_a_service():
    with_app = {file.parent.name for file in ROOT.glob("services/*/app.py")}

    assert {each.name for each in find_services(ROOT)} == with_app != set()


def test_folder_is_complete(service):
    assert [name for name in FILES if not (service.path / name).is_file()] == []


def test_requirements_are_found_by_the_installer(service):
    assert service.path / "requirements.in" in requirement_files(ROOT, "requirements.in")


def test_app_is_built_from_settings_and_engine(service):
    build = importlib.import_module(f"{service.module}.app").build

    parameters = list(inspect.signature(build).parameters.values())
    assert [each.name for each in parameters][:2] == ["settings", "engine"]
    assert all(each.default is None for each in parameters)


def test_settings_have_the_folders_name_as_prefix(service, settings_class):
    assert settings_class.prefix() == service.prefix


def test_every_setting_says_what_it_is_for(settings_class):
    without = [name for name, field in settings_class.model_fields.items() if not field.description]

    assert without == []


def test_unknown_variable_of_its_prefix_stops_the_start(service, settings_class, monkeypatch):
    monkeypatch.setenv(f"{service.prefix}NO_SUCH_SETTING", "4")

    with pytest.raises(SettingsError, match=f"{service.prefix}NO_SUCH_SETTING"):
        settings_class.from_environment()


def test_readme_holds_the_settings_table(service, settings_class):
    assert settings_table(settings_class) in (service.path / "README.md").read_text()


def test_services_with_an_engine_have_a_catalogue_of_models(service, has_engine):
    assert (service.path / "models.toml").is_file() == has_engine


def test_catalogue_names_licences_and_https_sources(service):
    catalog = service.path / "models.toml"

    for entry in entries_of(service):
        assert entry.licence
        assert entry.files
        sources = [entry.source, *(file.source for file in entry.files)]
        assert all(source.startswith("https://") for source in sources if source)
    if catalog.is_file():
        assert tomllib.loads(catalog.read_text()).keys() <= {"model"}


def test_demo_models_are_whole_and_small(service):
    for entry in entries_of(service):
        if entry.folder is not None and (service.path / entry.folder).is_dir():
            files = [service.path / entry.folder / file.path for file in entry.files]
            assert [file for file in files if not file.is_file()] == []
            assert sum(file.stat().st_size for file in files) <= 10 * 2**20


def entries_of(service):
    """The catalogue's entries; a service that runs no model has none."""
    catalog = service.path / "models.toml"
    return read_catalog(catalog) if catalog.is_file() else []


async def test_liveness_needs_no_engine(client):
    answer = await client.get("/livez")

    assert answer.status_code == 200


async def test_readiness_without_loaded_engines_is_503_and_names_each(client, service, has_engine):
    answer = await client.get("/readyz")

    body = answer.json()
    assert answer.status_code == (503 if has_engine else 200)
    assert ("retry-after" in answer.headers) == has_engine
    assert body["service"] == service.name
    assert bool(body["engines"]) == has_engine
    assert not any(engine["phase"] in ("ready", "degraded") for engine in body["engines"])


async def test_metrics_are_in_prometheus_form(client):
    answer = await client.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "# TYPE gantry_requests_total counter" in answer.text


async def test_info_names_documented_paths_under_v1(client, service):
    info = (await client.get("/info")).json()

    assert info["service"] == service.name
    assert info["version"]
    assert info["paths"]
    for entry in info["paths"]:
        assert entry["path"].startswith("/v1/")
        assert entry["method"].lower() in info["openapi"]["paths"][entry["path"]]
        assert entry["max_body_bytes"] > 0
        assert entry["default_deadline_ms"] > 0


async def test_operating_paths_are_not_offered_to_clients(client):
    info = (await client.get("/info")).json()

    assert not {"/livez", "/readyz", "/metrics", "/info"} & set(info["openapi"]["paths"])


async def test_a_first_request_can_be_shown(client):
    info = (await client.get("/info")).json()
    first = first_request(info, "http://gateway")

    assert first is not None
    is_json = list(_content_kinds(info)) == ["application/json"]
    assert (" -d " in first) == is_json


def _content_kinds(info):
    path = next(entry["path"] for entry in info["paths"] if entry["method"] == "POST")
    return info["openapi"]["paths"][path]["post"]["requestBody"]["content"]


async def test_inference_before_the_engine_is_ready_is_refused_without_harm(client):
    info = (await client.get("/info")).json()
    path = next(entry["path"] for entry in info["paths"] if entry["method"] == "POST")

    answer = await client.post(path, json={})

    assert 400 <= answer.status_code < 600
    assert answer.status_code not in (500, 502, 504)
    assert_problem(answer)


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("DELETE", "/livez")])
async def test_faults_have_the_one_shape(client, method, path):
    answer = await client.request(method, path, headers={"X-Request-Id": "contract-1"})

    assert answer.status_code in (404, 405)
    assert_problem(answer)
    assert answer.json()["request_id"] == "contract-1"
    assert answer.json()["instance"] == path


def assert_problem(answer):
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "instance", "code", "request_id"} <= set(body)
    assert body["status"] == answer.status_code
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert body["error"]["code"] == body["code"]
