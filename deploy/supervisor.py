"""``up``: start the system, show what of it is ready, keep it running, end it in order."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

import httpx

from deploy.commands import Commands
from deploy.control import listening
from deploy.discover import find_services
from deploy.errors import AdminError, DeployError
from deploy.processes import LocalDriver
from deploy.rollout import Rollout
from deploy.summary import summary
from deploy.system import System
from deploy.table import show, show_line
from shared.log import configure_logging

log = logging.getLogger(__name__)

SETTLE_S = 60.0
"""The table is shown when every unit is ready or says what it lacks, at the latest after this."""


async def up(root: Path, environ: Mapping[str, str]) -> int:
    """Run the system until SIGINT or SIGTERM.

    Args:
        root: source tree; also the working directory of every unit.
        environ: the operator's settings.

    Returns:
        Exit status.

    Raises:
        DeployError: it cannot be started.
    """
    configure_logging("supervisor", level="info")
    if not (root / "gateway" / "__main__.py").is_file():
        raise DeployError("there is no gateway/__main__.py: this is not a complete source tree")
    system = System(root, find_services(root), LocalDriver(root, show_line), environ)
    asked_to_stop = _stop_on_signals()
    show(f"Gantry is starting: gateway, {', '.join(system.services)}")
    async with (
        httpx.AsyncClient(trust_env=False) as client,
        listening(system.port, Commands(system, client).carry_out),
    ):
        try:
            await system.start()
            await _until(asked_to_stop, system.watch(client), _settle(system, client))
        finally:
            show("Gantry is ending …")
            await system.stop()
    show("Gantry has ended")
    return 0


async def _until(event: asyncio.Event, *work: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` beside each other until ``event``; an exception of one ends all."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in work]
        await event.wait()
        for task in tasks:
            task.cancel()


async def _settle(system: System, client: httpx.AsyncClient) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(system.settled.wait(), SETTLE_S)
    try:
        await Rollout(system, client, log.info).inform_gateway()
    except AdminError as error:
        log.warning("replicas of an earlier run may still be registered: %s", error)
    show(await summary(system, client))


def _stop_on_signals() -> asyncio.Event:
    """An event that the first signal sets; a second Ctrl-C ends everything at once.

    The units need no signal of their own then: they end with this process (leash.py). A second
    SIGTERM changes nothing, because service managers and ``make`` often send one to every process.
    """
    event = asyncio.Event()
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        if event.is_set():
            show("Gantry is killed")
            os._exit(1)
        event.set()

    loop.add_signal_handler(signal.SIGINT, interrupted)
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, event.set)
    return event
