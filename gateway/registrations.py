"""Replicas that were registered while the gateway ran; they are known again after a restart."""

import asyncio
import logging

from gateway.database import Database
from gateway.registry import Registry
from gateway.replica import Duty, Replica
from shared.errors import NotFound

log = logging.getLogger(__name__)


class Registrations:
    """Adds, changes and removes replicas, in the registry and on disk alike."""

    def __init__(self, registry: Registry, database: Database) -> None:
        """Keep the replicas of ``registry`` in ``database``."""
        self._registry = registry
        self._database = database
        self._loaded: list[Replica] = []

    async def load(self) -> None:
        """Add the replicas that an earlier process knew."""
        rows = await self._database.read(
            lambda db: db.execute("SELECT service, url, duty FROM replicas").fetchall()
        )
        for row in rows:
            replica = self._registry.add_replica(row["service"], row["url"], Duty(row["duty"]))
            self._loaded.append(replica)

    async def forget_silent(self, after_s: float) -> None:
        """Wait, then forget those from disk that were not heard of: they are of an earlier run."""
        loaded = list(self._loaded)
        await asyncio.sleep(after_s)
        for replica in loaded:
            if replica.info is None:
                log.info("%s at %s was never heard of", replica.service, replica.url)
                await self.remove(replica)

    async def register(self, service: str, url: str, duty: Duty) -> Replica:
        """Add a replica, or give a known one another duty."""
        replica = self._registry.add_replica(service, url, duty)
        await self.assign(replica, duty)
        return replica

    async def assign(self, replica: Replica, duty: Duty) -> None:
        """Give a replica another duty, at once."""
        self._registry.set_duty(replica, duty)
        row = (replica.service, replica.url, duty.value)
        await self._database.write(
            lambda db: db.execute(
                "INSERT INTO replicas (service, url, duty) VALUES (?, ?, ?) "
                "ON CONFLICT (service, url) DO UPDATE SET duty = excluded.duty",
                row,
            )
        )

    async def remove(self, replica: Replica) -> None:
        """Forget a replica; requests that it is answering are left to end."""
        self._registry.remove_replica(replica)
        row = (replica.service, replica.url)
        await self._database.write(
            lambda db: db.execute("DELETE FROM replicas WHERE service = ? AND url = ?", row)
        )

    def find(self, service: str, replica_id: str) -> Replica:
        """A replica by its id.

        Raises:
            NotFound: there is no such service or replica.
        """
        known = self._registry.services.get(service)
        if known is None or replica_id not in known.replicas:
            raise NotFound(f"{service} has no replica {replica_id!r}")
        return known.replicas[replica_id]
