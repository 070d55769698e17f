"""The running system: gateway and replicas of the services, started through a driver."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx

from deploy.discover import ServiceFolder
from deploy.driver import Driver, Instance, Unit
from deploy.example import first_request
from deploy.ports import free_port, is_free
from deploy.probe import STARTING, Health, probe

log = logging.getLogger(__name__)

GATEWAY = "gateway"
GATEWAY_PREFIX = "GATEWAY_"
LOOPBACK = "127.0.0.1"
PROBE_EVERY_S = 0.5
GATEWAY_GRACE_S = 35.0  # a bit longer than the servers wait for requests in flight
SERVICE_GRACE_S = 15.0


class DeployError(Exception):
    """A command cannot be carried out; the text says why and what would be right."""


@dataclass(frozen=True)
class Row:
    """One line of the status table."""

    name: str
    url: str
    state: str  # ready, not ready, starting, stopped
    detail: str


class System:
    """Gateway and services of one source tree on one machine."""

    def __init__(
        self, services: Sequence[ServiceFolder], driver: Driver, environ: Mapping[str, str]
    ) -> None:
        """Plan the system; nothing is started.

        Args:
            services: what to run behind the gateway.
            driver: what runs it.
            environ: the operator's settings; ``<NAME>_HOST`` and ``<NAME>_PORT`` are read here.

        Raises:
            DeployError: there is no service, or a port is malformed or taken.
        """
        if not services:
            raise DeployError("there is no service: no folder in services/ has a __main__.py")
        self._driver = driver
        # Only those who know the token may call a service past the gateway.
        token = environ.get("GATEWAY_INTERNAL_TOKEN") or secrets.token_urlsafe(32)
        self._token_header = {"x-internal-token": token}
        self._services = [_service_unit(each, environ, token) for each in services]
        self.gateway = _gateway_unit(self._services, environ, token)
        self.settled = asyncio.Event()  # every unit is ready, or says what it lacks
        self._instances: dict[str, Instance] = {}
        self._health: dict[str, Health] = {}
        self._probed_starts: dict[str, int] = {}  # of which start of the unit the health tells

    @property
    def url(self) -> str:
        """Where the gateway is reached."""
        return self.gateway.url

    @property
    def units(self) -> list[Unit]:
        """The gateway and every replica, in the order of the table."""
        return [self.gateway, *self._services]

    async def start(self) -> None:
        """Start everything; returns before it is ready."""
        for unit in (*self._services, self.gateway):
            self._instances[unit.name] = await self._driver.start(unit)

    async def stop(self) -> None:
        """End the gateway first, which finishes what it has accepted, then the services."""
        gateway = self._instances.pop(GATEWAY, None)
        if gateway is not None:
            await gateway.stop(GATEWAY_GRACE_S)
        services = [self._instances.pop(name) for name in list(self._instances)]
        await asyncio.gather(*(each.stop(SERVICE_GRACE_S) for each in services))

    async def watch(self, client: httpx.AsyncClient) -> None:
        """Probe every unit again and again; log each change, and set ``settled`` once all are."""
        while True:
            await self.refresh(client)
            if all(health.is_settled for health in self._health.values()):
                self.settled.set()
            await asyncio.sleep(PROBE_EVERY_S)

    async def refresh(self, client: httpx.AsyncClient) -> None:
        """Probe every unit once."""
        units = self.units
        found = await asyncio.gather(*(probe(client, unit.url) for unit in units))
        for unit, health in zip(units, found, strict=True):
            instance = self._instances.get(unit.name)
            starts = instance.starts if instance is not None else 0
            is_same = self._probed_starts.get(unit.name, starts) == starts
            before = self._health.get(unit.name, STARTING) if is_same else STARTING
            self._health[unit.name], self._probed_starts[unit.name] = health, starts
            if self.settled.is_set() and before.is_ready != health.is_ready:
                log.info("%s is %s", unit.name, _sentence(self._row(unit)))

    def rows(self) -> list[Row]:
        """State of every unit as last probed."""
        return [self._row(unit) for unit in self.units]

    def _row(self, unit: Unit) -> Row:
        instance = self._instances.get(unit.name)
        if instance is None or instance.trouble is not None:
            return Row(unit.name, unit.url, "stopped", instance.trouble or "" if instance else "")
        health = self._health.get(unit.name, STARTING)
        if health.is_ready:
            return Row(unit.name, unit.url, "ready", health.detail)
        if health == STARTING:
            return Row(unit.name, unit.url, "starting", "")
        return Row(unit.name, unit.url, "not ready", health.detail)

    async def first_requests(self, client: httpx.AsyncClient) -> list[str]:
        """A ``curl`` line for each service that is ready."""
        lines = []
        for unit in self._services:
            if not self._health.get(unit.name, STARTING).is_ready:
                continue
            with contextlib.suppress(httpx.HTTPError, ValueError):
                info = (await client.get(f"{unit.url}/info", headers=self._token_header)).json()
                if (line := first_request(info, self.url)) is not None:
                    lines.append(line)
        return lines


def _sentence(row: Row) -> str:
    return f"{row.state}: {row.detail}" if row.detail else row.state


def _service_unit(service: ServiceFolder, environ: Mapping[str, str], token: str) -> Unit:
    host = environ.get(f"{service.prefix}HOST", LOOPBACK)
    port = _port(environ, f"{service.prefix}PORT", default=0) or free_port(host)
    settings = {f"{service.prefix}INTERNAL_TOKEN": token}
    return Unit(service.name, service.module, service.prefix, host, port, settings)


def _gateway_unit(services: Sequence[Unit], environ: Mapping[str, str], token: str) -> Unit:
    host = environ.get("GATEWAY_HOST", LOOPBACK)
    port = _port(environ, "GATEWAY_PORT", default=8080) or free_port(host)
    if not is_free(host, port):
        raise DeployError(
            f"port {port} of {host} is in use; stop what listens there, "
            f"or choose another: GATEWAY_PORT={port + 10} make run"
        )
    upstreams = {f"GATEWAY_UPSTREAMS__{unit.prefix[:-1]}": unit.url for unit in services}
    settings = {"GATEWAY_INTERNAL_TOKEN": token, **upstreams}
    return Unit(GATEWAY, GATEWAY, GATEWAY_PREFIX, host, port, settings)


def _port(environ: Mapping[str, str], name: str, *, default: int) -> int:
    text = environ.get(name, "").strip() or str(default)
    if not text.isdecimal() or int(text) > 65_535:
        raise DeployError(f"{name} is {text!r}; expected a port from 0 to 65535")
    return int(text)
