"""Change one service while it serves: more or fewer replicas, another release, and back.

A new replica is started, registered as standby and waited for. Only when it has answered its golden
example and the gateway sees it ready does it get requests; only then are the old ones drained and
stopped. If any new one fails, the new ones are removed and nothing has changed.
"""

import asyncio
from collections.abc import Callable, Sequence

import httpx

from deploy.admin import GatewayAdmin
from deploy.code import checkout
from deploy.errors import AdminError, DeployError
from deploy.releases import Release
from deploy.system import PROBE_EVERY_S, Member, System

MOST_REPLICAS = 64
READY_TIMEOUT_S = 600.0
DRAIN_TIMEOUT_S = 600.0

Say = Callable[[str], None]


class Rollout:
    """Carries out one command."""

    def __init__(self, system: System, client: httpx.AsyncClient, say: Say) -> None:
        """Change ``system``; each step is told to ``say``."""
        self._system = system
        self._client = client
        self._admin = GatewayAdmin(client, system.admin_url, system.token)
        self._say = say

    async def forget_strangers(self) -> None:
        """Remove what an earlier system of this machine left registered at the gateway."""
        ours = {member.unit.url for member in self._system.members}
        for service in await self._admin.services():
            for replica in await self._admin.replicas(service):
                is_local = replica.url.startswith("http://127.0.0.1:")
                if is_local and replica.url not in ours and service in self._system.services:
                    await self._admin.remove(service, replica.id)

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
        await self._replace(service, release)
        self._system.releases.push(service, release)
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
        await self._replace(service, release)
        self._system.releases.pop(service)
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

    async def _replace(self, service: str, release: Release) -> None:
        present = self._system.replicas(service)
        self._say(f"{service}: starting {len(present)} of {release}")
        fresh = await self._start(service, release, len(present))
        await self._follow_weights(service, fresh)
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
        drains = [
            self._admin.drain(service, await self._id(member), DRAIN_TIMEOUT_S)
            for member in members
        ]
        await asyncio.gather(*drains)
        await self._remove(service, members)

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
