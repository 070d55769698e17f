"""Where replicas are: fixed addresses, and DNS names that are looked up again and again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.registry import Registry
from shared.settings import SettingsError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Address:
    """One entry of ``GATEWAY_UPSTREAMS__<NAME>``."""

    service: str
    url: str  # http://host:port, https://… or dns://name:port

    @property
    def is_dns(self) -> bool:
        """Whether it stands for all addresses that the name resolves to."""
        return self.url.startswith("dns://")


def parse_upstreams(service: str, value: str) -> list[Address]:
    """Read the comma-separated addresses of a service.

    Raises:
        SettingsError: an entry is not an http, https or dns address with a host.
    """
    found = []
    for entry in filter(None, (each.strip().rstrip("/") for each in value.split(","))):
        if not _is_good(entry):
            raise SettingsError(
                f"GATEWAY_UPSTREAMS__{service.upper()}: {entry!r} is not http://host:port "
                "or dns://name:port"
            )
        found.append(Address(service, entry))
    return found


def _is_good(entry: str) -> bool:
    try:
        parts = urlsplit(entry)
        port = parts.port
    except ValueError:  # an unclosed bracket, or no port at all
        return False
    is_address = parts.scheme in ("http", "https") or (parts.scheme == "dns" and port is not None)
    is_bare = not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)
    return is_address and is_bare and bool(parts.hostname)


async def resolve(url: str) -> set[str]:
    """Base addresses behind ``dns://name:port``; empty when the name cannot be resolved."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    try:
        rows = await loop.getaddrinfo(parts.hostname, parts.port, proto=6)  # 6: TCP
    except (OSError, UnicodeError):  # the latter of a part beyond 63 characters
        return set()
    hosts = {str(row[4][0]) for row in rows}
    return {f"http://[{host}]:{parts.port}" if ":" in host else f"http://{host}:{parts.port}"
            for host in hosts}  # fmt: skip


class DnsFollower:
    """Adds and removes replicas as the addresses of a name come and go."""

    def __init__(
        self,
        registry: Registry,
        address: Address,
        interval_s: float,
        look_up: Callable[[str], Awaitable[set[str]]] = resolve,
    ) -> None:
        """Follow ``address``, looking it up every ``interval_s`` seconds with ``look_up``."""
        self._look_up = look_up
        self._registry = registry
        self._address = address
        self._interval_s = interval_s
        self._known: set[str] = set()

    async def follow(self) -> None:
        """Look up until cancelled."""
        while True:
            await self.update()
            await asyncio.sleep(self._interval_s)

    async def update(self) -> None:
        """Look up once. A name that does not resolve for now takes no replica away."""
        found = await self._look_up(self._address.url)
        if not found:
            return
        for url in found - self._known:
            self._registry.add_replica(self._address.service, url)
        for url in self._known - found:
            replica = self._registry.add_replica(self._address.service, url)
            self._registry.remove_replica(replica)
        self._known = found
