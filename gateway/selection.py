"""Finds the replica for an attempt, and waits for one where waiting makes sense.

A service whose last replica died a moment ago is expected back: its requests are held instead of
refused. A service that was never ready is not waited for: if it is alive it is asked anyway,
because only it can say what it lacks.
"""

import asyncio
from collections.abc import Collection

from gateway.balancer import choose
from gateway.replica import Replica, ReplicaState
from gateway.service import Service
from shared.errors import NotReady


class Selector:
    """Chooses among the replicas of a service."""

    def __init__(self, hold_s: float) -> None:
        """Hold requests for at most ``hold_s`` after a service was last ready."""
        self._hold_s = hold_s

    async def select(self, service: Service, tried: Collection[str]) -> Replica:
        """The replica for the next attempt.

        Args:
            service: whose replica is wanted.
            tried: ids that this request has tried; taken again only when no other is ready.

        Raises:
            NotReady: none takes work and none is expected back in time.
        """
        loop = asyncio.get_running_loop()
        while True:
            ready = service.ready_replicas
            if ready:
                fresh = [replica for replica in ready if replica.id not in tried]
                return choose(fresh or ready, loop.time())
            wait_s = self._expected_within_s(service, loop.time())
            if wait_s <= 0:
                return _one_that_answers(service)
            for replica in service.replicas.values():
                replica.probe_now.set()
            try:
                async with asyncio.timeout(wait_s):
                    await service.changed.wait()
            except TimeoutError:
                continue

    def _expected_within_s(self, service: Service, now: float) -> float:
        seen = [each.last_ready for each in service.replicas.values() if each.last_ready]
        return max(seen) + self._hold_s - now if seen else 0.0


def _one_that_answers(service: Service) -> Replica:
    for replica in service.replicas.values():
        if replica.state is ReplicaState.NOT_READY and replica.failed_probes == 0:
            return replica
    raise NotReady(service.why_not_ready(), retry_after_s=5)
