"""What the supervisor does for each command of the CLI."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import httpx

from deploy.control import Say
from deploy.errors import DeployError
from deploy.rollout import Rollout
from deploy.system import System


class Commands:
    """Carries commands out on one system; those that change it, one after the other."""

    def __init__(self, system: System, client: httpx.AsyncClient) -> None:
        """Serve ``system``."""
        self._system = system
        self._client = client
        self._changing = asyncio.Lock()

    async def carry_out(self, command: Mapping[str, Any], say: Say) -> Any:  # noqa: ANN401 - JSON
        """Carry one command out and return its result.

        Raises:
            DeployError: it is unknown, another one is under way, or it failed.
        """
        if command.get("command") == "status":
            await self._system.refresh(self._client)
            return [asdict(member.row) for member in self._system.members]
        if self._changing.locked():
            raise DeployError("another command is being carried out; try again when it has ended")
        async with self._changing:
            return await self._change(command, Rollout(self._system, self._client, say))

    async def _change(self, command: Mapping[str, Any], rollout: Rollout) -> None:
        await rollout.inform_gateway()  # it may have been away when the last one ended
        match command:
            case {"command": "scale", "counts": dict(counts)}:
                for service, count in counts.items():
                    await rollout.scale(str(service), int(count))
            case {"command": "roll", "service": str(service), "settings": dict(settings)}:
                await rollout.roll(service, settings, command.get("revision"))
            case {"command": "rollback", "service": str(service)}:
                await rollout.rollback(service)
            case {"command": "drain", "unit": str(unit), "undo": bool(undo)}:
                await rollout.drain(unit, undo=undo)
            case _:
                raise DeployError(f"unknown command {command.get('command')!r}")
