import pytest

from gateway import key_store
from gateway.auth import Caller
from gateway.database import DATABASE_FILE, connect
from gateway.key_store import Key, NewKey
from gateway.quotas import Quotas
from shared.errors import QuotaExceeded
from tests.gateway.upstream import Upstream


def caller(**limits):
    return Caller(Key("k", b"", "test", frozenset(["infer"]), 0.0, **limits))


def test_minute_holds_exactly_the_allowed_requests():
    quotas, who, taken = Quotas(), caller(requests_per_minute=3), 0
    for second in range(60):
        try:
            with quotas.use(who, now=float(second)):
                taken += 1
        except QuotaExceeded:
            pass

    assert taken == 3


def test_refusal_names_the_second_at_which_the_window_moves_on():
    quotas, who = Quotas(), caller(requests_per_minute=1)
    with quotas.use(who, now=0.0):
        pass

    with pytest.raises(QuotaExceeded) as refused, quotas.use(who, now=20.0):
        pass
    assert refused.value.retry_after_s == 40
    with quotas.use(who, now=60.0):
        pass


def test_headers_tell_what_is_left():
    with Quotas().use(caller(requests_per_minute=5), now=0.0) as headers:
        shown = dict(headers)

    assert shown[b"ratelimit-policy"] == b'"rpm";q=5;w=60'
    assert shown[b"ratelimit"] == b'"rpm";r=4;t=60'
    assert shown[b"x-ratelimit-remaining-requests"] == b"4"


def test_requests_at_a_time_are_bounded_and_given_back():
    quotas, who = Quotas(), caller(max_concurrent=1)
    with (
        quotas.use(who, now=0.0),
        pytest.raises(QuotaExceeded, match="at a time"),
        quotas.use(who, now=0.0),
    ):
        pass

    with quotas.use(who, now=0.0):
        pass


async def test_key_over_its_quota_gets_429_with_retry_after(gateway_over, tmp_path):
    connection = connect(tmp_path / DATABASE_FILE)
    _, key = key_store.create(connection, NewKey("x", ["infer"], requests_per_minute=1))
    connection.close()
    headers = {"X-API-Key": key}
    async with gateway_over(Upstream(), state_dir=tmp_path) as (_, client, _urls):
        first = await client.post("/v1/echo", headers=headers)
        second = await client.post("/v1/echo", headers=headers)

    assert first.status_code == 200
    assert first.headers["ratelimit"] == '"rpm";r=0;t=60'
    assert second.status_code == 429
    assert second.json()["code"] == "quota_exceeded"
    assert 1 <= int(second.headers["retry-after"]) <= 60
