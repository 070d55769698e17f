"""Change one service while it serves: more or fewer replicas, another release, and back.

A new replica is started, registered as standby and waited for. Only when it has answered its golden
example and the gateway sees it ready does it get requests; only then are the old ones drained and
stopped. If any new one fails, the new ones are removed and nothing has changed.

The gateway may go away meanwhile. Before the new ones get requests that is such a failure. After it
the release has changed: what is left to do waits for the gateway, which is started anew, and in the
end is done without it. Replicas of two releases are never left behind.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import httpx

from deploy.admin import GatewayAdmin
from deploy.code import checkout
from deploy.errors import AdminError, DeployError
from deploy.releases import Release
from deploy.system import PROBE_EVERY_S, Member, System

MOST_REPLICAS = 64
READY_TIMEOUT_S = 600.0
DRAIN_TIMEOUT_S = 600.0
AWAY_TIMEOUT_S = 120.0  # for a gateway that has gone away to be back

Say = Callable[[str], None]


class Rollout:
    """Carries out one command."""

    def __init__(self, system: System, client: httpx.AsyncClient, say: Say) -> None:
        """Change ``system``; each step is told to ``say``."""
        self._system = system
        self._client = client
        self._admin = GatewayAdmin(client, system.admin_url, system.token)
        self._say = say

    async def inform_gateway(self) -> None:
        """Have the gateway forget what no longer runs here, and split requests over what does.

        An earlier system of this machine may have left it registered, or a change of which the
        gateway saw only a part.
        """
        for service in set(await self._admin.services()).intersection(self._system.services):
            urls = {member.unit.url for member in self._system.replicas(service)}
            versions: set[str] = set()
            for replica in await self._admin.replicas(service):
                if replica.url in urls:
                    versions |= {replica.version} if replica.version else set()  # not told yet
                elif replica.url.startswith("http://127.0.0.1:"):
                    await self._admin.remove(service, replica.id)
            weights = await self._admin.weights(service)
            if versions and weights is not None and not any(map(weights.get, versions)):
                await self._follow_weights(service, self._system.replicas(service))

    async def scale(self, service: str, count: int) -> None:
        """Run ``count`` replicas of a service.

        Raises:
            DeployError: the service is unknown, the number senseless, or a new replica not ready.
        """
        self._require(service)
        if not 1 <= count <= MOST_REPLICAS:
            raise DeployError(f"{service}={count}: expected 1 to {MOST_REPLICAS} replicas")
        present = self._system.replicas(service)
        release = self._system.releases.current(service)
        await self._start(service, release, count - len(present))
        await self._end(service, present[count:])
        self._say(f"{service} runs {count} replicas")

    async def roll(
        self, service: str, settings: dict[str, str], revision: str | None = None
    ) -> None:
        """Replace every replica of a service by one of a new release.

        Args:
            service: whose.
            settings: variables to change, with or without the service's prefix.
            revision: branch, tag or commit of the code; None keeps the present code.

        Raises:
            DeployError: there is no such service or code, or a new replica is not ready.
        """
        self._require(service)
        prefix = self._system.services[service].prefix
        named = {
            name if name.startswith(prefix) else prefix + name: value
            for name, value in settings.items()
        }
        commit = None
        if revision is not None:
            commit, _ = await asyncio.to_thread(checkout, self._system.root, revision)
        release = self._system.releases.next(service, named, commit)
        await self._replace(
            service, release, record=lambda: self._system.releases.push(service, release)
        )
        self._say(f"{service} runs {release}")

    async def rollback(self, service: str) -> None:
        """Return to the release before the present one.

        Raises:
            DeployError: nothing was rolled out, or the earlier release no longer gets ready.
        """
        self._require(service)
        release = self._system.releases.previous(service)
        if release is None:
            raise DeployError(f"{service} runs as it was started; there is nothing to roll back")
        await self._replace(service, release, record=lambda: self._system.releases.pop(service))
        self._say(f"{service} runs {release} again")

    async def drain(self, name: str, *, undo: bool = False) -> None:
        """Give one replica no new request and wait until it has none; it keeps running.

        Raises:
            DeployError: there is no such replica.
        """
        member = next((each for each in self._system.members if each.unit.name == name), None)
        if member is None or member.service is None:
            known = [each.unit.name for each in self._system.members if each.service is not None]
            raise DeployError(f"there is no replica {name!r}; known are: {', '.join(known)}")
        replica_id = await self._id(member)
        if undo:
            await self._admin.activate(member.service, replica_id)
            self._say(f"{name} gets requests again")
            return
        state = await self._admin.drain(member.service, replica_id, DRAIN_TIMEOUT_S)
        if state.in_flight:
            raise DeployError(f"{name} still answers {state.in_flight} requests")
        self._say(f"{name} gets no requests and has none; `drain {name} --undo` takes this back")

    async def _replace(self, service: str, release: Release, *, record: Callable[[], None]) -> None:
        present = self._system.replicas(service)
        self._say(f"{service}: starting {len(present)} of {release}")
        fresh = await self._start(service, release, len(present))
        record()  # they get requests: from here on there is no way back
        await self._patiently(lambda: self._follow_weights(service, fresh))
        await self._end(service, present)

    async def _start(self, service: str, release: Release, count: int) -> list[Member]:
        """Start replicas and give them requests once all are ready."""
        fresh: list[Member] = []
        try:
            for _ in range(count):
                member = await self._system.launch(service, release)
                fresh.append(member)
                replica = await self._admin.register(service, member.unit.url)
                await self._ready(member, replica.id)
                self._say(f"{member.unit.name} is ready at {member.unit.url}")
            for member in fresh:
                await self._admin.activate(service, await self._id(member))
        except DeployError as error:
            await self._remove(service, fresh)
            raise DeployError(
                f"{error}. Nothing was changed: {service} serves as before"
            ) from error
        self._system.tell_gateway()
        return fresh

    async def _ready(self, member: Member, replica_id: str) -> None:
        """Wait until a replica, and the gateway too, says that it is ready."""
        assert member.service is not None
        deadline = asyncio.get_running_loop().time() + READY_TIMEOUT_S
        while asyncio.get_running_loop().time() < deadline:
            if member.instance.trouble is not None and member.instance.starts:
                raise DeployError(f"{member.unit.name} ended: {member.instance.trouble}")
            await member.refresh(self._client)
            if member.health.is_settled and not member.health.is_ready:
                raise DeployError(f"{member.unit.name} is not ready: {member.health.detail}")
            if member.health.is_ready:
                state = await self._admin.replica(member.service, replica_id)
                if state.state == "ready":
                    return
            await asyncio.sleep(PROBE_EVERY_S)
        raise DeployError(f"{member.unit.name} was not ready within {READY_TIMEOUT_S:.0f} s")

    async def _follow_weights(self, service: str, fresh: Sequence[Member]) -> None:
        """Where requests are split by version, give them all to the new one."""
        if await self._admin.weights(service) is None:
            return
        urls = {member.unit.url for member in fresh}
        replicas = await self._admin.replicas(service)
        versions = {each.version for each in replicas if each.url in urls and each.version}
        await self._admin.set_weights(service, dict.fromkeys(sorted(versions), 1.0))

    async def _end(self, service: str, members: Sequence[Member]) -> None:
        """Drain and stop replicas."""
        for member in members:
            self._say(f"{member.unit.name} finishes what it has")
        await asyncio.gather(
            *(self._patiently(partial(self._drain, service, member)) for member in members)
        )
        await self._remove(service, members)

    async def _drain(self, service: str, member: Member) -> None:
        """Wait until a replica has no request; one that the gateway has forgotten has none."""
        for replica in await self._admin.replicas(service):
            if replica.url == member.unit.url:
                await self._admin.drain(service, replica.id, DRAIN_TIMEOUT_S)

    async def _patiently(self, step: Callable[[], Awaitable[None]]) -> None:
        """Take a step that may be taken again; go on without it when the gateway stays away."""
        deadline = asyncio.get_running_loop().time() + AWAY_TIMEOUT_S
        waits = False
        while True:
            try:
                await step()
            except AdminError as error:
                if asyncio.get_running_loop().time() >= deadline:
                    self._say(f"{error}; going on without it")
                    return
                if not waits:
                    self._say(f"{error}; waiting for it")
                waits = True
                await asyncio.sleep(PROBE_EVERY_S)
            else:
                return

    async def _remove(self, service: str, members: Sequence[Member]) -> None:
        for member in members:
            try:
                await self._forget(service, member)
            except AdminError as error:  # a process that is left running would be the worse
                self._say(f"the gateway may still list {member.unit.name}: {error}")
            await self._system.retire(member)
            self._say(f"{member.unit.name} is stopped")
        self._system.tell_gateway()

    async def _forget(self, service: str, member: Member) -> None:
        for replica in await self._admin.replicas(service):
            if replica.url == member.unit.url:
                await self._admin.remove(service, replica.id)

    async def _id(self, member: Member) -> str:
        assert member.service is not None
        for replica in await self._admin.replicas(member.service):
            if replica.url == member.unit.url:
                return replica.id
        raise AdminError(f"the gateway does not know {member.unit.name}")

    def _require(self, service: str) -> None:
        if service not in self._system.services:
            known = ", ".join(self._system.services)
            raise DeployError(f"there is no service {service!r}; known are: {known}")
