"""Settings of a service that remembers its results, and the cache that they describe."""

import secrets
from pathlib import Path

from pydantic import Field

from shared.cache import CacheLimits, DiskLevel, ResultCache, load_secret
from shared.settings import ServiceSettings


class CachedServiceSettings(ServiceSettings):
    """What a service with a result cache can be told."""

    cache_memory_bytes: int = Field(
        64 * 2**20, ge=0, description="Most bytes of results kept in memory; 0: none."
    )
    cache_dir: Path | None = Field(
        None,
        description="Folder of results that survive a restart; none by default.",
    )
    cache_disk_bytes: int = Field(
        2 * 2**30, ge=2**20, description="Most bytes of results kept on disk."
    )


def result_cache(settings: CachedServiceSettings) -> ResultCache | None:
    """Where results are remembered; None if the settings give them no place, or want none."""
    if not settings.optimized or (not settings.cache_memory_bytes and settings.cache_dir is None):
        return None
    limits = CacheLimits(settings.cache_memory_bytes, settings.cache_disk_bytes)
    if settings.cache_dir is None:
        return ResultCache(limits, secret=secrets.token_bytes(32))
    folder = settings.cache_dir
    secret = load_secret(folder.with_name(folder.name + ".key"))
    return ResultCache(limits, secret=secret, second=DiskLevel(folder, limits))
