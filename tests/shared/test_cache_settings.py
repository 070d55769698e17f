import pytest
from pydantic_settings import SettingsConfigDict

from shared.cache_settings import CachedServiceSettings, result_cache


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
