"""The running system: the gateway and replicas of the services, started through a driver."""

import asyncio
import logging
import secrets
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from deploy.code import checkout
from deploy.discover import ServiceFolder
from deploy.driver import Driver, Instance, Unit
from deploy.errors import DeployError
from deploy.ports import free_port, is_free
from deploy.probe import STARTING, Health, probe, seen_ready
from deploy.releases import Release, Releases
from deploy.table import Row

log = logging.getLogger(__name__)

GATEWAY = "gateway"
LOOPBACK = "127.0.0.1"
PROBE_EVERY_S = 0.5
GATEWAY_GRACE_S = 35.0  # a bit longer than the servers wait for requests in flight
SERVICE_GRACE_S = 35.0


@dataclass(eq=False)
class Member:
    """A unit of the system with what is known of it."""

    unit: Unit
    instance: Instance
    service: str | None = None  # None is the gateway
    release: Release = Release()
    health: Health = STARTING
    probed_starts: int = 0  # of which start of the unit the health tells

    async def refresh(self, client: httpx.AsyncClient, seen: Container[str] | None = None) -> bool:
        """Probe it.

        Args:
            client: for the probe.
            seen: addresses that the gateway sees ready: a replica is ready only if it is among
                them; None asks the replica alone.

        Returns:
            Whether its readiness has changed since the last time.
        """
        before = self.health if self.probed_starts == self.instance.starts else STARTING
        self.probed_starts = self.instance.starts
        self.health = await probe(client, self.unit.url)
        is_unseen = self.service is not None and seen is not None and self.unit.url not in seen
        if self.health.is_ready and is_unseen:
            self.health = STARTING
        return before.is_ready != self.health.is_ready

    @property
    def row(self) -> Row:
        """Its line of the status table."""
        if self.instance.trouble is not None:
            return self._row("stopped", self.instance.trouble)
        if self.health.is_ready:
            return self._row("ready", self.health.detail)
        if self.health == STARTING:
            return self._row("starting", "")
        return self._row("not ready", self.health.detail)

    def _row(self, state: str, detail: str) -> Row:
        release = str(self.release) if self.release.number else ""
        notes = "; ".join(filter(None, [detail, release]))
        return Row(self.unit.name, self.unit.url, state, notes)


class System:
    """Gateway and services of one source tree on one machine."""

    def __init__(
        self,
        root: Path,
        services: Sequence[ServiceFolder],
        driver: Driver,
        environ: Mapping[str, str],
    ) -> None:
        """Plan the system; nothing is started.

        Args:
            root: the source tree.
            services: what to run behind the gateway.
            driver: what runs it.
            environ: the operator's settings; hosts and ports are read here.

        Raises:
            DeployError: there is no service, or a port is malformed or taken.
        """
        if not services:
            raise DeployError("there is no service: no folder in services/ has a __main__.py")
        self.services = {service.name: service for service in services}
        self.releases = Releases(root / "var/deploy/releases.json")
        self.settled = asyncio.Event()  # every unit is ready, or says what it lacks
        # Only those who know the token may call a service past the gateway.
        self.token = environ.get("GATEWAY_INTERNAL_TOKEN") or secrets.token_urlsafe(32)
        self.members: list[Member] = []  # the gateway first
        self.root = root
        self._driver = driver
        self._environ = environ
        self._launched = dict.fromkeys(self.services, 0)
        self._gateway = self._plan_gateway()

    @property
    def url(self) -> str:
        """Where the gateway is reached."""
        return self._gateway.url

    @property
    def port(self) -> int:
        """Where the gateway listens."""
        return self._gateway.port

    @property
    def admin_url(self) -> str:
        """Where the gateway's admin listener is reached."""
        return f"http://{LOOPBACK}:{self._gateway.environ['GATEWAY_ADMIN_PORT']}"

    def replicas(self, service: str) -> list[Member]:
        """Replicas of a service, in the order of their start."""
        return [member for member in self.members if member.service == service]

    async def start(self) -> None:
        """Start the gateway and one replica of each service; returns before they are ready."""
        for name in self.services:
            await self.launch(name, self.releases.current(name))
        self._gateway = replace(self._gateway, environ=self._gateway_environ())
        self.members.insert(0, Member(self._gateway, await self._driver.start(self._gateway)))

    async def stop(self) -> None:
        """End the gateway first, which finishes what it has accepted, then the services."""
        for member in self.members:
            if member.service is None:
                await member.instance.stop(GATEWAY_GRACE_S)
        services = [member for member in self.members if member.service is not None]
        await asyncio.gather(*(each.instance.stop(SERVICE_GRACE_S) for each in services))
        self.members.clear()

    async def launch(self, service: str, release: Release) -> Member:
        """Start one more replica; the gateway is told of it by the caller.

        Raises:
            DeployError: the code of the release cannot be run here.
        """
        unit = await asyncio.to_thread(self._plan_replica, self.services[service], release)
        member = Member(unit, await self._driver.start(unit), service, release)
        self.members.append(member)
        return member

    async def retire(self, member: Member) -> None:
        """Stop a replica, which the gateway has been told to forget."""
        self.members.remove(member)
        await member.instance.stop(SERVICE_GRACE_S)

    def tell_gateway(self) -> None:
        """Have the gateway know the replicas of now when it is started anew after a crash."""
        gateway = self.members[0]
        gateway.unit = replace(gateway.unit, environ=self._gateway_environ())
        gateway.instance.change(gateway.unit)

    async def watch(self, client: httpx.AsyncClient) -> None:
        """Probe every unit again and again; log each change, and set ``settled`` once all are."""
        while True:
            await self.refresh(client)
            if all(member.health.is_settled for member in self.members):
                self.settled.set()
            await asyncio.sleep(PROBE_EVERY_S)

    async def refresh(self, client: httpx.AsyncClient) -> None:
        """Probe every unit once."""
        members = list(self.members)
        seen = await seen_ready(client, self.url)
        changes = await asyncio.gather(*(member.refresh(client, seen) for member in members))
        for member, has_changed in zip(members, changes, strict=True):
            if has_changed and self.settled.is_set():
                row = member.row
                log.info("%s is %s", row.name, ": ".join(filter(None, [row.state, row.detail])))

    def _plan_gateway(self) -> Unit:
        host = self._environ.get("GATEWAY_HOST", LOOPBACK)
        port = _port(self._environ, "GATEWAY_PORT", 8080) or free_port(host)
        if not is_free(host, port):
            raise DeployError(
                f"port {port} of {host} is in use; stop what listens there, "
                f"or choose another: GATEWAY_PORT={port + 10} make run"
            )
        admin_port = _port(self._environ, "GATEWAY_ADMIN_PORT", 0)
        if not admin_port:
            admin_port = port + 1 if is_free(LOOPBACK, port + 1) else free_port()
        settings = {"GATEWAY_ADMIN_PORT": str(admin_port)}
        return Unit(GATEWAY, GATEWAY, "GATEWAY_", host, port, settings)

    def _gateway_environ(self) -> dict[str, str]:
        urls = {
            service.prefix[:-1]: ",".join(each.unit.url for each in self.replicas(name))
            for name, service in self.services.items()
        }
        return {
            "GATEWAY_ADMIN_PORT": self._gateway.environ["GATEWAY_ADMIN_PORT"],
            "GATEWAY_INTERNAL_TOKEN": self.token,
            **{f"GATEWAY_UPSTREAMS__{name}": url for name, url in urls.items()},
        }

    def _plan_replica(self, service: ServiceFolder, release: Release) -> Unit:
        self._launched[service.name] += 1
        number = self._launched[service.name]
        host = self._environ.get(f"{service.prefix}HOST", LOOPBACK)
        # A port that the operator chose is that of the first replica.
        chosen = _port(self._environ, f"{service.prefix}PORT", 0) if number == 1 else 0
        folder = None
        if release.commit is not None:
            folder = checkout(self.root, release.commit)[1]
        return Unit(
            name=service.name if number == 1 else f"{service.name}-{number}",
            module=service.module,
            prefix=service.prefix,
            host=host,
            port=chosen or free_port(host),
            environ={**release.settings, **self._given(service, folder or self.root)},
            folder=folder,
        )

    def _given(self, service: ServiceFolder, tree: Path) -> dict[str, str]:
        """Settings that a replica gets from us: the token, and the gateway if it calls others."""
        given = {f"{service.prefix}INTERNAL_TOKEN": self.token}
        if service.calls_others(tree):
            given[f"{service.prefix}GATEWAY_URL"] = self.url
        return given


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "").strip() or str(default)
    if not text.isdecimal() or int(text) > 65_535:
        raise DeployError(f"{name} is {text!r}; expected a port from 0 to 65535")
    return int(text)
