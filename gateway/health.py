"""Active probing: asks each replica in turn whether it is ready and what it offers.

A replica that refuses connections is down at once; one that stays silent is given a few probes
more, because a short stall is no death.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

import httpx
from pydantic import ValidationError

from gateway.replica import Replica, ReplicaState
from gateway.service_info import Readiness, ServiceInfo

log = logging.getLogger(__name__)

SILENT_PROBES_UNTIL_HUNG = 3
URGENT_INTERVAL_S = 0.2  # between probes of a replica that is not ready but was, a moment ago
URGENT_FOR_S = 30.0
PROBES_WHILE_STARTING = 300  # at the urgent pace, of a replica that was never heard of


@dataclass(frozen=True)
class ProbeOptions:
    """How replicas are probed."""

    interval_s: float = 1.0
    timeout_s: float = 2.0
    token: str | None = None  # what the services ask for at /info


def probe_client(options: ProbeOptions) -> httpx.AsyncClient:
    """The HTTP client of all probes; its idle connections end before the services' own limit."""
    return httpx.AsyncClient(
        timeout=options.timeout_s,
        limits=httpx.Limits(max_connections=None, keepalive_expiry=3.0),
        headers={"x-internal-token": options.token} if options.token else None,
        trust_env=False,
    )


class Prober:
    """Keeps the state of replicas up to date."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        options: ProbeOptions,
        *,
        on_change: Callable[[Replica], None],
        on_info: Callable[[Replica], None],
    ) -> None:
        """Probe through ``client``.

        Args:
            client: from ``probe_client``.
            options: times.
            on_change: called when a replica's state has changed.
            on_info: called when a replica has told anew what it offers.
        """
        self._client = client
        self._options = options
        self._on_change = on_change
        self._on_info = on_info

    async def watch(self, replica: Replica) -> None:
        """Probe one replica until cancelled."""
        while True:
            replica.probe_now.clear()
            await self.probe(replica)
            try:
                async with asyncio.timeout(self._pause_s(replica)):
                    await replica.probe_now.wait()
            except TimeoutError:
                continue

    async def probe(self, replica: Replica) -> None:
        """Ask once; updates the replica and reports changes."""
        now = asyncio.get_running_loop().time
        try:
            response = await self._client.get(f"{replica.url}/readyz")
            readiness = Readiness.model_validate_json(response.content)
            if readiness.service != replica.service:
                reason = f"the address answers as {readiness.service!r}"
                self._note(replica, ReplicaState.NOT_READY, reason, now())
                return
            await self._refresh_info(replica, readiness)
        except httpx.ConnectError:
            replica.failed_probes += 1
            self._note(replica, ReplicaState.DOWN, "it refuses connections", now())
            return
        except httpx.HTTPError as error:
            self._silent(replica, type(error).__name__, now())
            return
        except ValidationError:
            reason = "it does not answer as a Gantry service"
            self._note(replica, ReplicaState.NOT_READY, reason, now())
            return
        replica.failed_probes = 0
        replica.readiness = readiness
        state = ReplicaState.READY if readiness.ready else ReplicaState.NOT_READY
        self._note(replica, state, _reason(readiness), now())

    def _silent(self, replica: Replica, fault: str, now: float) -> None:
        replica.failed_probes += 1
        is_hung = replica.failed_probes >= SILENT_PROBES_UNTIL_HUNG
        # One silent probe already keeps new work away; the work it holds gets the benefit of doubt.
        state = ReplicaState.HUNG if is_hung else ReplicaState.NOT_READY
        self._note(replica, state, f"no answer to {replica.failed_probes} probes ({fault})", now)

    async def _refresh_info(self, replica: Replica, readiness: Readiness) -> None:
        before = replica.readiness
        is_known = (
            replica.info is not None
            and before is not None
            and replica.info.version == readiness.version
            and before.engines == readiness.engines
        )
        if is_known:
            return
        response = await self._client.get(f"{replica.url}/info")
        replica.info = ServiceInfo.model_validate_json(response.content)
        self._on_info(replica)

    def _note(self, replica: Replica, state: ReplicaState, reason: str | None, now: float) -> None:
        before = replica.state
        if replica.set_state(state, reason, now):
            level = logging.INFO if state is ReplicaState.READY else logging.WARNING
            if before is ReplicaState.UNKNOWN:
                level = logging.INFO
            log.log(
                level,
                "%s at %s is %s%s", replica.service, replica.url, state,
                f": {reason}" if reason else "",
            )  # fmt: skip
            self._on_change(replica)

    def _pause_s(self, replica: Replica) -> float:
        now = asyncio.get_running_loop().time()
        was_ready = replica.last_ready is not None and now - replica.last_ready < URGENT_FOR_S
        is_starting = replica.info is None and replica.failed_probes < PROBES_WHILE_STARTING
        is_urgent = not replica.is_ready and (was_ready or is_starting)
        pause_s = URGENT_INTERVAL_S if is_urgent else self._options.interval_s
        return min(pause_s, self._options.interval_s) * random.uniform(0.8, 1.2)


def _reason(readiness: Readiness) -> str | None:
    if readiness.ready:
        return None
    reasons = [str(each["reason"]) for each in readiness.engines if each.get("reason")]
    return "; ".join(reasons) or "its engine is not ready"
