import asyncio
import hashlib

import httpx
import pytest
from pydantic_settings import SettingsConfigDict

from shared.app import BAD_SETTINGS, run, serve
from shared.engine import EngineInfo
from shared.lanes import InlineLane
from shared.settings import ServiceSettings, SettingsError
from shared.testing import running_app, running_server
from tests.shared import echo


@pytest.fixture
async def client():
    async with running_app(echo.build()) as client:
        yield client


async def test_answer_carries_request_id_model_device_and_timings(client):
    answer = await client.post("/v1/echo", json=7, headers={"X-Request-Id": "abc-1"})

    assert answer.json() == 7
    assert answer.headers["x-request-id"] == "abc-1"
    assert answer.headers["x-service"] == "echo"
    assert answer.headers["x-service-version"] == "1.2.3"
    assert answer.headers["x-model"] == "echo"
    assert answer.headers["x-device"] == "cpu"
    assert answer.headers["x-cache"] == "off"
    assert "queue;dur=" in answer.headers["server-timing"]
    assert "inference;dur=" in answer.headers["server-timing"]


async def test_model_with_a_name_beyond_ascii_is_named_percent_encoded():
    class Korean(echo.EchoEngine):
        def load(self):
            return EngineInfo("\ubd80\ud488 v2", "cpu")

    async with running_app(echo.build(InlineLane(Korean))) as client:
        answer = await client.post("/v1/echo", json=7)

    assert answer.status_code == 200
    assert answer.headers["x-model"] == "%EB%B6%80%ED%92%88 v2"


async def test_malformed_request_id_is_replaced(client):
    answer = await client.post("/v1/echo", json=7, headers={"X-Request-Id": "a b\tc"})

    assert answer.headers["x-request-id"] != "a b\tc"
    assert len(answer.headers["x-request-id"]) == 32


async def test_unknown_path_answers_with_the_one_error_shape(client):
    answer = await client.get("/nowhere", headers={"X-Request-Id": "abc"})

    body = answer.json()
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["code"] == "not_found"
    assert body["request_id"] == "abc"
    assert body["instance"] == "/nowhere"
    assert body["error"]["code"] == "not_found"


async def test_text_of_an_unforeseen_error_stays_inside(client):
    answer = await client.post("/v1/crash")

    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "secret" not in answer.text


async def test_item_failure_is_an_engine_error_without_its_text(client):
    answer = await client.post("/v1/echo", json={"fail": "secret"})

    assert answer.status_code == 500
    assert answer.json()["code"] == "engine_error"
    assert "secret" not in answer.text


async def test_announced_body_over_the_limit_is_refused(client):
    answer = await client.post("/v1/echo", content=b"x" * (2**20 + 1))

    assert answer.status_code == 413
    assert answer.json()["code"] == "payload_too_large"


async def test_unannounced_body_over_the_limit_is_refused(client):
    async def pieces():
        for _ in range(2**4 + 1):
            yield b"x" * 2**16

    answer = await client.post("/v1/echo", content=pieces())

    assert answer.status_code == 413


@pytest.mark.parametrize(
    "given", ["soon", "0", "86400001", "000000864000001", "000000000001" + 5000 * "0"]
)
async def test_bad_timeout_header_is_refused(client, given):
    answer = await client.post("/v1/echo", json=1, headers={"X-Request-Timeout-Ms": given})

    assert answer.status_code == 400


async def test_malformed_caller_is_refused(client):
    answer = await client.post("/v1/echo", json=1, headers={"X-Caller": "a/../b"})

    assert answer.status_code == 400
    assert "X-Caller" in answer.json()["detail"]


async def test_deadline_that_passes_is_a_504(client):
    answer = await client.post("/v1/hang")

    assert answer.status_code == 504
    assert answer.json()["code"] == "deadline_exceeded"


async def test_readyz_reports_engine_phase(client):
    answer = await client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json()["engines"][0]["phase"] == "ready"
    assert answer.json()["memory"]["process_rss_bytes"] > 2**20


async def test_info_lists_paths_with_their_limits(client):
    info = (await client.get("/info")).json()

    assert info["service"] == "echo"
    assert info["paths"][0]["path"] == "/v1/echo"
    assert info["paths"][0]["max_body_bytes"] == 2**20
    assert info["models"][0]["id"] == "echo"
    assert "/v1/echo" in info["openapi"]["paths"]


async def test_metrics_count_requests_by_route(client):
    await client.post("/v1/echo", json=1)

    text = (await client.get("/metrics")).text
    assert 'gantry_requests_total{method="POST",route="/v1/echo",status="200"} 1.0' in text


async def test_multipart_files_and_fields_are_read(client):
    answer = await client.post(
        "/v1/upload?a=1",
        files=[("file", ("x.bin", b"abc" * 100_000)), ("file", ("y.bin", b""))],
        data={"b[]": ["2", "3"]},
    )

    body = answer.json()
    assert body["files"][0] == [300_000, hashlib.sha256(b"abc" * 100_000).hexdigest()]
    assert body["files"][1][0] == 0
    assert body["options"] == {"a": ["1"], "b": ["2", "3"]}


async def test_raw_body_is_one_file(client):
    answer = await client.post("/v1/upload?q=1", content=b"data", headers={"content-type": "a/b"})

    assert answer.json()["files"][0][0] == 4
    assert answer.json()["options"] == {"q": ["1"]}


async def test_base64_image_in_json_is_a_file(client):
    answer = await client.post("/v1/upload", json={"image": {"base64": "YWJj"}, "dpi": 100})

    assert answer.json()["files"] == [[3, hashlib.sha256(b"abc").hexdigest()]]
    assert answer.json()["options"] == {"dpi": [100]}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (
            b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\ncut",
            "multipart/form-data; boundary=b",
        ),
        (
            b"--b\r\nContent-Disposition: form-data; name=a; filename=a\r\n\r\ncut",
            "multipart/form-data; boundary=b",
        ),
        (b"x", "multipart/form-data"),
        (b"not multipart", "multipart/form-data; boundary=b"),
        (b"{", "application/json"),
        (b"[1]", "application/json"),
        (b"[" * 100_000, "application/json"),
    ],
)
async def test_malformed_body_is_a_400(client, content, kind):
    answer = await client.post("/v1/upload", content=content, headers={"content-type": kind})

    assert answer.status_code == 400, answer.text


async def test_more_images_in_json_than_files_in_a_form_are_refused(client):
    images = [{"base64": "YWJj"}] * 17

    answer = await client.post("/v1/upload", json={"image": images})

    assert answer.status_code == 413


async def test_json_without_image_names_the_field(client):
    answer = await client.post("/v1/upload", json={"image": {"url": "http://x"}})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == "image.0.base64"


async def test_process_lane_runs_the_engine_in_a_child():
    async with running_app(echo.build(echo.process_lane())) as client:
        answer = await client.post("/v1/echo", json={"a": [1, 2.5, None, "é"]})

        assert answer.json() == {"a": [1, 2.5, None, "é"]}


async def test_dead_engine_process_is_answered_and_started_anew():
    app = echo.build(echo.process_lane())
    async with running_app(app) as client:
        broken = await client.post("/v1/echo", json={"die": True})
        assert broken.json()["code"] == "worker_died"
        await app.state.host.settled()

        answer = await client.post("/v1/echo", json=1)

        assert answer.status_code == 200


async def test_hung_batch_is_a_504_and_the_engine_returns():
    app = echo.build(echo.process_lane(timeout_s=0.2))
    async with running_app(app) as client:
        hung = await client.post("/v1/echo", json={"sleep_s": 60})
        assert (hung.status_code, hung.json()["code"]) == (504, "engine_hung")
        await app.state.host.settled()

        answer = await client.post("/v1/echo", json=1)

        assert answer.status_code == 200


async def test_client_that_leaves_stops_the_work():
    app = echo.build()
    async with running_server(app) as url, httpx.AsyncClient() as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(
                url + "/v1/hang",
                timeout=httpx.Timeout(30, read=0.01),
                headers={"X-Request-Timeout-Ms": "60000"},
            )
        while 'status="499"' not in (await client.get(url + "/metrics")).text:  # noqa: ASYNC110
            await asyncio.sleep(0)


TOKEN = "0123456789abcdef-token"


@pytest.fixture
async def guarded():
    settings = ServiceSettings(internal_token=TOKEN)
    async with running_app(echo.build(settings=settings)) as client:
        yield client


async def test_request_without_the_internal_token_is_refused(guarded):
    answer = await guarded.post("/v1/echo", json=1)

    assert answer.status_code == 401


async def test_request_with_the_internal_token_is_answered(guarded):
    answer = await guarded.post("/v1/echo", json=1, headers={"X-Internal-Token": TOKEN})

    assert answer.status_code == 200


async def test_probes_need_no_token(guarded):
    assert (await guarded.get("/readyz")).status_code == 200


async def test_engine_is_unloaded_and_loaded_by_admin(guarded):
    headers = {"X-Internal-Token": TOKEN}

    unloaded = await guarded.post("/admin/unload", headers=headers)
    refused = await guarded.post("/v1/echo", json=1, headers=headers)
    loaded = await guarded.post("/admin/preload", headers=headers)
    answered = await guarded.post("/v1/echo", json=1, headers=headers)

    assert unloaded.json()[0]["phase"] == "unloaded"
    assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")
    assert loaded.json()[0]["phase"] == "ready"
    assert answered.status_code == 200


async def test_draining_takes_the_service_out_of_readiness(guarded):
    await guarded.post("/admin/drain", headers={"X-Internal-Token": TOKEN})

    assert (await guarded.get("/readyz")).status_code == 503


async def test_admin_is_off_without_a_token(client):
    assert (await client.post("/admin/unload")).status_code == 404


async def test_progress_of_a_running_request_is_told(client):
    hanging = asyncio.ensure_future(
        client.post(
            "/v1/progress-then-hang",
            headers={"X-Request-Id": "long-1", "X-Request-Timeout-Ms": "60000"},
        )
    )
    told = await client.get("/progress/long-1")
    while told.json().get("stage") != "pages":
        await asyncio.sleep(0)
        told = await client.get("/progress/long-1")
    hanging.cancel()

    assert told.json() == {"stage": "pages", "done": 3, "total": 12, "percent": 25.0}


def test_listening_beyond_the_loopback_needs_a_token():
    with pytest.raises(SettingsError, match="INTERNAL_TOKEN"):
        serve(echo.build(), ServiceSettings(host="0.0.0.0"), name="echo")


async def test_start_and_requests_leave_one_line_in_the_log(caplog):
    caplog.set_level("INFO")

    async with running_app(echo.build()) as client:
        for _ in range(3):
            await client.post("/v1/echo", json=7)

    lines = [each.getMessage() for each in caplog.records if each.name.startswith("shared")]
    assert len(lines) == 1
    assert lines[0].startswith("up after ")
    assert lines[0].endswith("echo: echo on cpu (float32)")


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("ECHO_PORT", "no number", "ECHO_PORT"),
        ("ECHO_PROT", "8000", "unknown setting ECHO_PROT"),
        ("ECHO_HOST", "0.0.0.0", "ECHO_INTERNAL_TOKEN"),
    ],
)
def test_bad_setting_ends_the_start_with_one_sentence(monkeypatch, capsys, variable, value, told):
    class EchoSettings(ServiceSettings):
        model_config = SettingsConfigDict(env_prefix="ECHO_")

    monkeypatch.setenv(variable, value)

    status = run("echo", EchoSettings, lambda _: echo.build())

    sentence = capsys.readouterr().err
    assert status == BAD_SETTINGS
    assert sentence.startswith("echo: ")
    assert told in sentence
    assert sentence.count("\n") == 1
