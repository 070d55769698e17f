"""Settings of a service that remembers its results, and the cache that they describe."""

import secrets
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from shared.cache import CacheLimits, DiskLevel, ResultCache, SecondLevel, load_secret
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
    cache_redis_url: SecretStr | None = Field(
        None,
        description="Redis server (redis://, rediss:// or unix://) where all replicas of this "
        "service share results, instead of a folder; needs CACHE_SECRET.",
    )
    cache_secret: SecretStr | None = Field(
        None,
        min_length=16,
        description="Key that signs results in Redis, the same in all replicas.",
    )

    @model_validator(mode="after")
    def _redis_is_complete(self) -> Self:
        if self.cache_redis_url is None:
            return self
        scheme = self.cache_redis_url.get_secret_value().partition("://")[0]
        if scheme not in ("redis", "rediss", "unix"):
            raise ValueError("CACHE_REDIS_URL must begin with redis://, rediss:// or unix://")
        if self.cache_secret is None:
            raise ValueError("CACHE_REDIS_URL needs CACHE_SECRET, the same in all replicas")
        if self.cache_dir is not None:
            raise ValueError("results are shared in CACHE_REDIS_URL or kept in CACHE_DIR, not both")
        return self


def result_cache(settings: CachedServiceSettings) -> ResultCache | None:
    """Where results are remembered; None if the settings give them no place, or want none."""
    second_level = settings.cache_dir or settings.cache_redis_url
    if not settings.optimized or (not settings.cache_memory_bytes and second_level is None):
        return None
    limits = CacheLimits(settings.cache_memory_bytes, settings.cache_disk_bytes)
    if settings.cache_redis_url is not None and settings.cache_secret is not None:
        return ResultCache(
            limits,
            secret=settings.cache_secret.get_secret_value().encode(),
            second=_redis_level(settings, settings.cache_redis_url, limits),
        )
    if settings.cache_dir is None:
        return ResultCache(limits, secret=secrets.token_bytes(32))
    folder = settings.cache_dir
    secret = load_secret(folder.with_name(folder.name + ".key"))
    return ResultCache(limits, secret=secret, second=DiskLevel(folder, limits))


def _redis_level(
    settings: CachedServiceSettings, url: SecretStr, limits: CacheLimits
) -> SecondLevel:
    from shared.redis_level import RedisLevel  # the library is loaded only where it is used

    return RedisLevel(
        url.get_secret_value(),
        prefix=f"gantry:{settings.prefix().rstrip('_').lower()}",
        max_age_s=limits.max_age_s,
    )
