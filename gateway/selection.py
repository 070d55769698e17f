"""Finds the replica for an attempt, and waits for one where waiting makes sense.

A service whose last replica died a moment ago is expected back: its requests are held instead of
refused. A service that was never ready is not waited for: if it is alive it is asked anyway,
because only it can say what it lacks.
"""

import asyncio
from collections.abc import Collection, Sequence

from gateway.balancer import choose
from gateway.ejection import available
from gateway.replica import Duty, Replica, ReplicaState
from gateway.service import Service
from gateway.splits import Splits, draw
from shared.errors import FieldFault, NotFound, NotReady


class Selector:
    """Chooses among the replicas of a service."""

    def __init__(self, splits: Splits, hold_s: float) -> None:
        """Hold requests for at most ``hold_s`` after a service was last ready."""
        self._splits = splits
        self._hold_s = hold_s

    async def select(
        self, service: Service, tried: Collection[str], pin: str | None = None
    ) -> Replica:
        """The replica for the next attempt.

        Args:
            service: whose replica is wanted.
            tried: ids that this request has tried; taken again only when no other is ready.
            pin: the version that the client insists on; otherwise the split decides.

        Raises:
            NotFound: no replica has the version.
            NotReady: none takes work and none is expected back in time.
        """
        loop = asyncio.get_running_loop()
        if pin is not None:
            _check_version(service, pin)
        while True:
            replica = self.select_now(service, tried, pin)
            if replica is not None:
                return replica
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

    def select_now(
        self, service: Service, tried: Collection[str], pin: str | None = None
    ) -> Replica | None:
        """As ``select``, but None where that would wait or refuse."""
        ready = self._candidates(service, pin)
        return _best(ready, tried) if ready else None

    def _candidates(self, service: Service, pin: str | None) -> Sequence[Replica]:
        ready = service.ready_replicas
        if pin is not None:
            return [replica for replica in ready if replica.version == pin]
        return draw(ready, self._splits.weights(service.name))

    def has_other(self, service: Service, tried: Collection[str]) -> bool:
        """Whether a replica that this request has not tried takes work."""
        return any(replica.id not in tried for replica in service.ready_replicas)

    def _expected_within_s(self, service: Service, now: float) -> float:
        seen = [each.last_ready for each in service.replicas.values() if each.last_ready]
        return max(seen) + self._hold_s - now if seen else 0.0


def _check_version(service: Service, version: str) -> None:
    versions = {replica.version for replica in service.replicas.values()} - {None}
    if version not in versions:
        known = ", ".join(sorted(str(each) for each in versions)) or "none"
        text = f"{service.name} has no version {version!r}; running: {known}"
        raise NotFound(text, faults=[FieldFault("X-Service-Version", text)])


def _best(ready: Sequence[Replica], tried: Collection[str]) -> Replica:
    if len(ready) == 1:
        return ready[0]
    now = asyncio.get_running_loop().time()
    places = available([replica.outlier for replica in ready], now)
    fit = [ready[place] for place in places]
    fresh = [replica for replica in fit if replica.id not in tried]
    return choose(fresh or fit, now)


def _one_that_answers(service: Service) -> Replica:
    for replica in service.replicas.values():
        answers = replica.state is ReplicaState.NOT_READY and replica.failed_probes == 0
        if answers and replica.duty is Duty.ACTIVE:
            return replica
    raise NotReady(service.why_not_ready(), retry_after_s=5)
