import hashlib
import os
import sqlite3
import subprocess
import sys

import pytest

from gateway import key_store, keys
from gateway.app import build
from gateway.database import DATABASE_FILE, connect
from gateway.key_store import NewKey
from gateway.settings import GatewaySettings
from shared.settings import SettingsError
from tests.gateway.upstream import Upstream


@pytest.fixture
def db(tmp_path):
    connection = connect(tmp_path / DATABASE_FILE)
    yield connection
    connection.close()


@pytest.fixture
async def locked(gateway_over, tmp_path, db):
    """A gateway that asks for keys: (client, key by scopes)."""

    def make(*scopes, **more):
        return key_store.create(db, NewKey("test", scopes, **more))[1]

    make("infer")
    async with gateway_over(Upstream(), state_dir=tmp_path) as (_, client, _urls):
        yield client, make


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


async def test_request_without_a_key_is_401(locked):
    answer = await locked[0].post("/v1/echo")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["code"] == "unauthorized"
    assert "x-request-id" in answer.headers


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
async def test_valid_key_is_taken_from_either_header(locked, header):
    client, make = locked
    key = make("infer")
    value = f"Bearer {key}" if header == "Authorization" else key

    assert (await client.post("/v1/echo", headers={header: value})).status_code == 200


@pytest.mark.parametrize("key", ["x", "gk_a_b", "gk__", "gk_0123456789ab_" + "0" * 64, "é"])
async def test_wrong_key_is_401(locked, key):
    answer = await locked[0].post("/v1/echo", headers={"X-API-Key": key.encode()})

    assert answer.status_code == 401


async def test_right_id_with_a_wrong_secret_is_401(locked):
    client, make = locked
    key = make("infer")

    assert (await client.post("/v1/echo", headers=bearer(key[:-1] + "g"))).status_code == 401


async def test_scope_of_one_service_opens_that_service_only(locked):
    client, make = locked

    assert (await client.post("/v1/echo", headers=bearer(make("infer:work")))).status_code == 200
    assert (await client.post("/v1/echo", headers=bearer(make("infer:ocr")))).status_code == 403
    assert (await client.post("/v1/echo", headers=bearer(make("jobs")))).status_code == 403


async def test_expired_and_revoked_keys_are_401(locked, db):
    client, make = locked
    expired, revoked = make("infer", lifetime_s=-1), make("infer")
    key_store.revoke(db, revoked.split("_")[1])

    assert (await client.post("/v1/echo", headers=bearer(expired))).status_code == 401
    assert (await client.post("/v1/echo", headers=bearer(revoked))).status_code == 401


async def test_probes_and_documents_need_no_key_and_metrics_do(locked):
    client, make = locked

    for path in ("/livez", "/readyz", "/openapi.json", "/docs"):
        assert (await client.get(path)).status_code == 200
    for path in ("/metrics", "/v1/models", "/v1/services"):
        assert (await client.get(path)).status_code == 401
    assert (await client.get("/metrics", headers=bearer(make("metrics")))).status_code == 200
    assert (await client.get("/metrics", headers=bearer(make("infer")))).status_code == 403


async def test_end_of_the_last_key_does_not_open_the_gateway(locked, db):
    for key in key_store.everything(db):
        key_store.revoke(db, key.id)

    assert (await locked[0].post("/v1/echo")).status_code == 401


async def test_any_key_is_taken_while_none_is_configured(gateway_over):
    async with gateway_over(Upstream()) as (_, client, _urls):
        answer = await client.post("/v1/echo", headers=bearer("sk-whatever"))

    assert answer.status_code == 200


async def test_static_key_opens_everything_and_locks_out_others(gateway_over):
    key = "k" * 24
    async with gateway_over(Upstream(), api_key=key) as (_, client, _urls):
        assert (await client.post("/v1/echo", headers=bearer(key))).status_code == 200
        assert (await client.post("/v1/echo")).status_code == 401


async def test_admin_needs_the_admin_scope_once_keys_exist(gateway_over, admin_over, tmp_path, db):
    _, admin_key = key_store.create(db, NewKey("a", ["admin"]))
    _, other = key_store.create(db, NewKey("b", ["infer"]))
    async with (
        gateway_over(state_dir=tmp_path) as (gateway, _client, _urls),
        admin_over(gateway) as admin,
    ):
        assert (await admin.get("/admin/keys")).status_code == 401
        assert (await admin.get("/admin/keys", headers=bearer(other))).status_code == 403
        made = await admin.post(
            "/admin/keys", json={"name": "c", "scopes": ["infer"]}, headers=bearer(admin_key)
        )
        listed = await admin.get("/admin/keys", headers=bearer(admin_key))

    assert made.json()["key"].startswith("gk_")
    assert len(listed.json()) == 3
    assert made.json()["key"].split("_")[2] not in listed.text


def test_database_holds_digests_only(db, tmp_path):
    _, text = key_store.create(db, NewKey("x", ["infer"]))
    secret = text.split("_")[2]

    stored = sqlite3.connect(tmp_path / DATABASE_FILE).execute("SELECT * FROM keys").fetchall()

    assert secret not in str(stored)
    assert hashlib.sha256(secret.encode()).digest() in stored[0]


def test_unknown_scope_is_refused(db):
    with pytest.raises(ValueError, match="everything"):
        key_store.create(db, NewKey("x", ["everything"]))


def test_open_gateway_refuses_to_listen_beyond_the_loopback(tmp_path):
    with pytest.raises(SettingsError, match="make a key first"):
        build(GatewaySettings(host="0.0.0.0", state_dir=tmp_path))
    with pytest.raises(SettingsError, match="make a key first"):
        build(GatewaySettings(admin_host="0.0.0.0", state_dir=tmp_path))


def test_gateway_with_a_key_may_listen_beyond_the_loopback(db, tmp_path):
    key_store.create(db, NewKey("x", ["infer"]))

    assert build(GatewaySettings(host="0.0.0.0", state_dir=tmp_path)).settings.host == "0.0.0.0"


def test_command_line_makes_lists_and_revokes_keys(tmp_path):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "gateway.keys", *arguments],
            env={**os.environ, "GATEWAY_STATE_DIR": str(tmp_path)}, capture_output=True, text=True,
        )  # fmt: skip

    key = run("create", "alice", "--scopes", "infer:ocr,jobs").stdout.strip()
    identity = key.split("_")[1]

    assert f"{identity}  active   infer:ocr jobs" in run("list").stdout
    assert run("revoke", identity).returncode == 0
    assert f"{identity}  revoked" in run("list").stdout
    assert run("create", "bob", "--scopes", "root").returncode == 2


@pytest.mark.parametrize(
    "limit",
    [
        ["--days", "0"],
        ["--days", "nan"],
        ["--max-concurrent", "0"],
        ["--requests-per-minute", "-1"],
    ],
)
def test_command_line_makes_no_key_with_a_senseless_limit(limit, monkeypatch, tmp_path, db, capsys):
    monkeypatch.setenv("GATEWAY_STATE_DIR", str(tmp_path))

    with pytest.raises(SystemExit) as ended:
        keys.main(["create", "alice", *limit])

    assert ended.value.code == 2
    assert limit[0] in capsys.readouterr().err
    assert key_store.everything(db) == []


async def test_new_secret_opens_and_the_old_one_for_its_grace(locked, db):
    client, make = locked
    old = make("infer")
    new = key_store.rotate(db, old.split("_")[1], grace_s=60)
    assert [(await client.post("/v1/echo", headers=bearer(key))).status_code
            for key in (old, new)] == [200, 200]  # fmt: skip

    other = make("infer")
    fresh = key_store.rotate(db, other.split("_")[1], grace_s=0)
    assert [(await client.post("/v1/echo", headers=bearer(key))).status_code
            for key in (other, fresh)] == [401, 200]  # fmt: skip


def test_closed_key_gets_no_new_secret(db):
    key, _ = key_store.create(db, NewKey("x", ["infer"]))
    key_store.revoke(db, key.id)

    assert key_store.rotate(db, key.id, grace_s=60) is None
