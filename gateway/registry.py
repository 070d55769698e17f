"""All services and their replicas, kept current: who exists, who is ready, who offers what."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping

import httpx

from gateway.health import ProbeOptions, Prober, probe_client
from gateway.replica import Duty, Replica, ReplicaState
from gateway.routing_table import Route, RoutingTable
from gateway.service import Service

log = logging.getLogger(__name__)


class Registry:
    """Services by name, and the routing table that follows from what they tell."""

    def __init__(self, names: Iterator[str] | list[str], probe: ProbeOptions) -> None:
        """Know the configured services; nothing is probed until ``start``.

        Args:
            names: services that the settings name.
            probe: how replicas are probed.
        """
        self.services: dict[str, Service] = {name: Service(name) for name in names}
        self.table = RoutingTable()
        self.generation = 0  # grows with each change of what the services offer
        self._probe_options = probe
        self._client: httpx.AsyncClient | None = None
        self._prober: Prober | None = None
        self._watchers: dict[str, asyncio.Task[None]] = {}  # by id of the replica

    async def start(self) -> None:
        """Open the probe client; replicas added so far begin to be probed."""
        self._client = probe_client(self._probe_options)
        self._prober = Prober(
            self._client, self._probe_options, on_change=self._changed, on_info=self._learn
        )
        for replica in self.replicas():
            self._watch(replica)

    async def stop(self) -> None:
        """Stop probing."""
        watchers = list(self._watchers.values())
        self._watchers.clear()
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    def replicas(self) -> Iterator[Replica]:
        """Every replica of every service."""
        for service in self.services.values():
            yield from service.replicas.values()

    def add_replica(self, service_name: str, url: str, duty: Duty = Duty.ACTIVE) -> Replica:
        """Add a replica, or return the one that has this address."""
        service = self.services.setdefault(service_name, Service(service_name))
        replica = Replica(service_name, url.rstrip("/"), duty)
        known = service.replicas.get(replica.id)
        if known is not None:
            return known
        service.replicas[replica.id] = replica
        self._watch(replica)
        service.changed.notify()
        return replica

    def set_duty(self, replica: Replica, duty: Duty) -> None:
        """Say what is wanted of a replica; it holds from the next request on."""
        if replica.duty is not duty:
            log.info("%s at %s is to be %s", replica.service, replica.url, duty)
            replica.duty = duty
            self._changed(replica)

    def remove_replica(self, replica: Replica) -> None:
        """Forget a replica; requests that it is answering are left to end."""
        service = self.services[replica.service]
        service.replicas.pop(replica.id, None)
        watcher = self._watchers.pop(replica.id, None)
        if watcher is not None:
            watcher.cancel()
        service.changed.notify()

    def report_refused(self, replica: Replica) -> None:
        """A request could not connect: take the replica out at once and probe it."""
        now = asyncio.get_running_loop().time()
        if replica.set_state(ReplicaState.DOWN, "it refuses connections", now):
            log.warning("%s at %s is down: a request was refused", replica.service, replica.url)
            self._changed(replica)
        replica.probe_now.set()

    def unanswered(self) -> list[str]:
        """Services that are configured and have never told what they offer."""
        return [service.name for service in self.services.values() if not service.has_answered]

    def status(self) -> Mapping[str, bool]:
        """Whether each service has a replica that takes work."""
        return {name: bool(service.ready_replicas) for name, service in self.services.items()}

    def _watch(self, replica: Replica) -> None:
        if self._prober is not None:
            watcher = asyncio.ensure_future(self._prober.watch(replica))
            watcher.add_done_callback(_report_death)
            self._watchers[replica.id] = watcher

    def _changed(self, replica: Replica) -> None:
        self.services[replica.service].changed.notify()

    def _learn(self, replica: Replica) -> None:
        assert replica.info is not None
        service = self.services[replica.service]
        if service.learn(replica.info):
            self._rebuild()
        service.changed.notify()

    def _rebuild(self) -> None:
        self.table = RoutingTable(
            Route(service.name, offer)
            for service in self.services.values()
            for offer in service.offers()
        )
        self.generation += 1


def _report_death(watcher: asyncio.Task[None]) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        error = watcher.exception()
        if error is not None:
            log.error("a prober died", exc_info=error)
