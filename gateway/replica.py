"""One running copy of a service: where it is, what is known of its state, what it has to do."""

import asyncio
import hashlib
from collections.abc import Callable
from enum import StrEnum
from types import TracebackType

from gateway.changed import Changed
from gateway.ejection import OutlierState
from gateway.service_info import Readiness, ServiceInfo


class ReplicaState(StrEnum):
    """What the last probes or requests said."""

    UNKNOWN = "unknown"  # not probed yet
    READY = "ready"
    NOT_READY = "not_ready"  # answers, but takes no work: loading, draining or failed
    DOWN = "down"  # refuses connections
    HUNG = "hung"  # accepts connections and does not answer


class Duty(StrEnum):
    """What the operator wants of a replica."""

    ACTIVE = "active"
    STANDBY = "standby"  # is probed and warm, gets no traffic yet
    DRAINING = "draining"  # gets no new request and ends those it has


class Attempt:
    """A request that is the replica's work until the end of a ``with`` block."""

    __slots__ = (
        "_is_trial", "_on_give_up", "_replica", "_task", "is_given_up", "is_waiting",
    )  # fmt: skip

    def __init__(self, replica: "Replica", on_give_up: Callable[[], None] | None) -> None:
        """Count as the replica's work from now on."""
        self.is_waiting = True  # for the head of the answer
        self.is_given_up = False
        self._replica = replica
        self._on_give_up = on_give_up
        self._task: asyncio.Task[object] | None = None
        self._is_trial = replica.outlier.begin()
        replica.attempts.add(self)
        replica.in_flight += 1

    def __enter__(self) -> "Attempt":
        """Belong to the current task, which is cancelled when the attempt is given up."""
        self._task = asyncio.current_task()
        if self.is_given_up and self._task is not None:
            self._task.cancel()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Count no more."""
        self.end()

    def end(self) -> None:
        """Count as its work no more."""
        replica = self._replica
        replica.in_flight -= 1
        if replica.in_flight == 0:
            replica.idle.notify()
        replica.attempts.discard(self)
        self._on_give_up = None  # it may refer to what refers to this attempt: no cycle is left
        if self._is_trial:
            replica.outlier.end_trial()

    def give_up(self) -> None:
        """End the wait, because the replica hangs."""
        if not self.is_waiting or self.is_given_up:
            return
        self.is_given_up = True
        if self._task is not None:
            self._task.cancel()
        elif self._on_give_up is not None:
            self._on_give_up()

    def caught(self) -> bool:
        """Whether a cancellation that was just caught came from ``give_up``; then undo it."""
        if self.is_given_up and self._task is not None:
            return self._task.uncancel() == 0
        return False


class Replica:
    """State of one replica; changed by the prober and the data plane, on the event loop."""

    def __init__(self, service: str, url: str, duty: Duty = Duty.ACTIVE) -> None:
        """Know a replica that has not been probed.

        Args:
            service: name of the service it belongs to.
            url: its base address, without a slash at the end.
            duty: what is wanted of it.
        """
        self.service = service
        self.url = url
        self.id = hashlib.sha256(f"{service} {url}".encode()).hexdigest()[:12]
        self.duty = duty
        self.state = ReplicaState.UNKNOWN
        self.reason: str | None = "not probed yet"  # why it is not ready
        self.info: ServiceInfo | None = None  # the last one known
        self.readiness: Readiness | None = None
        self.in_flight = 0  # requests that this gateway has with it
        self.ready_since: float | None = None  # loop time of becoming ready
        self.last_ready: float | None = None  # loop time at which it was last seen ready
        self.failed_probes = 0
        self.outlier = OutlierState()
        self.attempts: set[Attempt] = set()  # requests that it is answering
        self.idle = Changed()  # it has ended its last request
        self.probe_now = asyncio.Event()  # wakes its prober

    @property
    def version(self) -> str | None:
        """Version it last reported."""
        return self.info.version if self.info else None

    @property
    def is_ready(self) -> bool:
        """Whether it says that it can take work."""
        return self.state is ReplicaState.READY

    @property
    def load(self) -> float:
        """Requests it has to answer before a new one: ours, or what it reports if that is more."""
        reported = self.readiness.queue.items if self.readiness else 0
        return max(self.in_flight, reported)

    def set_state(self, state: ReplicaState, reason: str | None, now: float) -> bool:
        """Note a state.

        Args:
            state: what was found.
            reason: why it is not ready, for operators.
            now: loop time, in s.

        Returns:
            Whether the state differs from the one before.
        """
        has_changed = state is not self.state
        self.state, self.reason = state, reason
        if state is ReplicaState.READY:
            self.last_ready = now
            if has_changed:
                self.ready_since = now
        if state is ReplicaState.HUNG:
            for attempt in list(self.attempts):
                attempt.give_up()
        return has_changed

    def attempt(self, on_give_up: Callable[[], None] | None = None) -> Attempt:
        """A request that counts as its work from now until the end of a ``with`` block.

        Args:
            on_give_up: called if the replica hangs before that block is entered; inside it the
                task is cancelled.
        """
        return Attempt(self, on_give_up)
