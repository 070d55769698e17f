"""Results of earlier requests, in memory and beyond it, and one run for identical work in flight.

Keys are digests (see ``digest``) of content, normalised options, the model and the tenant, so the
same picture in another container or under another name is a hit, and nobody gets another tenant's
result. Values are JSON-like (None, bool, numbers, text, bytes, lists, dicts), stored as msgpack
under an HMAC whose key lies outside the cache folder: a damaged or foreign file is a miss, never a
wrong answer and never executed.
"""

import asyncio
import contextlib
import hashlib
import hmac
import logging
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import msgpack

log = logging.getLogger(__name__)

_SIGNATURE_BYTES = hashlib.sha256().digest_size
_UNFINISHED_AFTER_S = 600.0  # nobody writes one file for so long
_TOUCH_AFTER_S = 3600.0  # a disk hit renews the file's age at most this often


class Found(StrEnum):
    """Where a result came from, as in ``X-Cache``."""

    MEMORY = "hit-memory"
    DISK = "hit-disk"
    REDIS = "hit-redis"
    MISS = "miss"


@dataclass(frozen=True)
class CacheLimits:
    """Bounds of both levels."""

    memory_bytes: int = 64 * 2**20
    disk_bytes: int = 2 * 2**30
    max_age_s: float = 7 * 86_400.0


def digest(*parts: Any) -> str:  # noqa: ANN401 - any msgpack value
    """Key over any number of parts; their boundaries count, the order of dict entries does not.

    Returns:
        64 hexadecimal characters (SHA-256).
    """
    packed = msgpack.packb([_ordered(part) for part in parts], use_bin_type=True)
    return hashlib.sha256(packed).hexdigest()


def _ordered(value: Any) -> Any:  # noqa: ANN401 - any msgpack value
    if isinstance(value, dict):
        return [[str(key), _ordered(value[key])] for key in sorted(value, key=str)]
    if isinstance(value, (list, tuple)):
        return [_ordered(each) for each in value]
    return value


class SecondLevel(Protocol):
    """Where results lie beyond memory: a folder here, a Redis server elsewhere. Calls may block."""

    found: Found  # what is said of a result that came from here

    def get(self, key: str) -> bytes | None:
        """The sealed bytes stored under ``key``; None when there are none."""
        ...

    def put(self, key: str, sealed: bytes) -> None:
        """Store sealed bytes."""
        ...


class DiskLevel:
    """Sealed results as files, bounded by bytes and age, safe against a kill in mid-write."""

    found = Found.DISK

    def __init__(self, folder: Path, limits: CacheLimits) -> None:
        """Use ``folder``, which is created readable by its owner only."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder, self._limits = folder, limits
        self._remove_unfinished()
        self._size = sum(size for _, _, size in self._files())

    def get(self, key: str) -> bytes | None:
        """Read a file that is not too old."""
        path = self._path(key)
        try:
            age_s = time.time() - path.stat().st_mtime
            if age_s > self._limits.max_age_s:
                return None
            content = path.read_bytes()
            if age_s > _TOUCH_AFTER_S:
                os.utime(path)
        except OSError:
            return None
        return content

    def put(self, key: str, sealed: bytes) -> None:
        """Write under a temporary name, then rename: readers see the whole file or none."""
        if len(sealed) > self._limits.disk_bytes // 4:
            return
        path = self._path(key)
        temporary = path.with_name(f"{secrets.token_hex(8)}.part")
        try:
            path.parent.mkdir(exist_ok=True, mode=0o700)
            temporary.write_bytes(sealed)
            temporary.replace(path)
        except OSError as error:
            log.warning("the cache could not be written: %s", error.strerror)
            with contextlib.suppress(OSError):
                temporary.unlink()
            return
        self._size += len(sealed)
        if self._size > self._limits.disk_bytes:
            self._shrink()

    def _remove_unfinished(self) -> None:
        """Remove what was left by processes that were killed while they wrote."""
        for written, path, _ in self._files():
            if path.suffix == ".part" and time.time() - written > _UNFINISHED_AFTER_S:
                path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / key

    def _files(self) -> list[tuple[float, Path, int]]:
        found = []
        for path in self._folder.glob("*/*"):
            with contextlib.suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime, path, status.st_size))
        return found

    def _shrink(self) -> None:
        """Delete the longest unused files until four fifths of the limit are left."""
        files = sorted(self._files())
        self._size = sum(size for _, _, size in files)
        for _, path, size in files:
            if self._size <= 0.8 * self._limits.disk_bytes:
                return
            path.unlink(missing_ok=True)
            self._size -= size


@dataclass(eq=False)
class _Flight:
    """A run under way, and how many callers wait for it."""

    task: "asyncio.Task[Any]"
    waiters: int = 0


class ResultCache:
    """Two levels and single flight. One event loop; values must not be changed by their users."""

    def __init__(
        self,
        limits: CacheLimits,
        *,
        secret: bytes,
        second: SecondLevel | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with an empty memory level.

        Args:
            limits: bounds of both levels.
            secret: key of the HMAC, at least 16 bytes, the same for all that share ``second``.
            second: further level, or None for memory only.
            clock: monotonic time in s.
        """
        if len(secret) < 16:
            raise ValueError("the cache's secret must have at least 16 bytes")
        self._limits, self._secret, self._second, self._clock = limits, secret, second, clock
        self._memory: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._memory_bytes = 0
        self._flights: dict[str, _Flight] = {}

    async def get_or_run(self, key: str, run: Callable[[], Awaitable[Any]]) -> tuple[Any, Found]:
        """The result for ``key``: stored, of a run that is under way, or of a new run.

        A caller that leaves does not stop a run that others wait for; the last one does. An error
        is not stored, and is raised to all that waited for the run.

        Args:
            key: from ``digest``.
            run: computes the result.

        Returns:
            The result, and where it came from.
        """
        stored = await self.get(key)
        if stored is not None:
            return stored
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.ensure_future(self._fly(key, run)))
        flight.waiters += 1
        try:
            return await asyncio.shield(flight.task), Found.MISS
        finally:
            flight.waiters -= 1
            if not flight.waiters:
                flight.task.cancel()
                if self._flights.get(key) is flight:
                    del self._flights[key]

    async def get(self, key: str) -> tuple[Any, Found] | None:
        """The stored result for ``key``, and where it lay; None when there is none."""
        sealed = self._from_memory(key)
        where = Found.MEMORY
        if sealed is None and self._second is not None:
            sealed = await asyncio.to_thread(self._second.get, key)
            where = self._second.found
        if sealed is None:
            return None
        packed = self._unseal(key, sealed)
        if packed is None:
            return None
        if where is not Found.MEMORY:
            self._to_memory(key, sealed)
        return msgpack.unpackb(packed, raw=False, strict_map_key=False), where

    async def put(self, key: str, value: Any) -> None:  # noqa: ANN401 - any msgpack value
        """Store a result in both levels.

        Raises:
            TypeError: the value holds something other than JSON-like data.
        """
        sealed = self._seal(key, msgpack.packb(value, use_bin_type=True))
        self._to_memory(key, sealed)
        if self._second is not None:
            await asyncio.to_thread(self._second.put, key, sealed)

    async def _fly(self, key: str, run: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401
        value = await run()
        await self.put(key, value)
        return value

    def _from_memory(self, key: str) -> bytes | None:
        entry = self._memory.get(key)
        if entry is None:
            return None
        stored, sealed = entry
        if self._clock() - stored > self._limits.max_age_s:
            self._forget(key)
            return None
        self._memory.move_to_end(key)
        return sealed

    def _to_memory(self, key: str, sealed: bytes) -> None:
        if len(sealed) > self._limits.memory_bytes // 4:
            return
        self._forget(key)
        self._memory[key] = (self._clock(), sealed)
        self._memory_bytes += len(sealed)
        while self._memory_bytes > self._limits.memory_bytes:
            self._forget(next(iter(self._memory)))

    def _forget(self, key: str) -> None:
        entry = self._memory.pop(key, None)
        if entry is not None:
            self._memory_bytes -= len(entry[1])

    def _seal(self, key: str, packed: bytes) -> bytes:
        return self._sign(key, packed) + packed

    def _unseal(self, key: str, sealed: bytes) -> bytes | None:
        signature, packed = sealed[:_SIGNATURE_BYTES], sealed[_SIGNATURE_BYTES:]
        return packed if hmac.compare_digest(signature, self._sign(key, packed)) else None

    def _sign(self, key: str, packed: bytes) -> bytes:
        return hmac.digest(self._secret, key.encode() + packed, "sha256")


def load_secret(path: Path) -> bytes:
    """Read the HMAC key, or make one (owner-readable only) at the first start.

    Two processes that start together agree on one key: the first to put its file in place wins.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(32))
            with contextlib.suppress(FileExistsError):
                os.link(whole, path)
        finally:
            whole.unlink()
    return path.read_bytes()
