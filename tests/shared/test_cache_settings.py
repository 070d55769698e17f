import pytest
from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

from shared.cache import Found
from shared.cache_settings import CachedServiceSettings, result_cache
from tests.shared.resp_server import resp_server


class Settings(CachedServiceSettings):
    model_config = SettingsConfigDict(env_prefix="TESTED_")


def test_results_are_remembered_unless_the_settings_say_otherwise(tmp_path):
    assert result_cache(Settings()) is not None
    assert result_cache(Settings(cache_memory_bytes=0, cache_dir=tmp_path / "c")) is not None


@pytest.mark.parametrize("off", [{"cache_memory_bytes": 0}, {"optimized": False}])
def test_nothing_is_remembered_where_it_is_switched_off(off):
    assert result_cache(Settings(**off)) is None


async def test_results_outlive_the_process_under_a_key_beside_their_folder(tmp_path):
    settings = Settings(cache_dir=tmp_path / "results")
    first = result_cache(settings)
    await first.put("k" * 64, "text")

    later = result_cache(settings)

    assert (await later.get("k" * 64))[0] == "text"
    assert (tmp_path / "results.key").is_file()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"cache_redis_url": "redis://cache"}, "needs CACHE_SECRET"),
        ({"cache_redis_url": "http://cache", "cache_secret": "x" * 16}, "must begin with redis://"),
        (
            {"cache_redis_url": "redis://c", "cache_secret": "x" * 16, "cache_dir": "c"},
            "not both",
        ),
    ],
)
def test_incomplete_redis_settings_are_refused(wrong, reason):
    with pytest.raises(ValidationError, match=reason):
        Settings(**wrong)


async def test_replicas_share_results_through_the_server_that_the_settings_name():
    pytest.importorskip("redis", reason="a requirement of shared/; `make .venv` installs it")
    with resp_server() as server:
        settings = Settings(
            cache_memory_bytes=0, cache_redis_url=server.url, cache_secret="one secret for all"
        )
        await result_cache(settings).put("k" * 64, "text")

        assert await result_cache(settings).get("k" * 64) == ("text", Found.REDIS)
        assert list(server.values) == [b"gantry:tested:" + b"k" * 64]
