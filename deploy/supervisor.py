"""``up``: start the system, show what of it is ready, keep it running, end it in order."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx

from deploy.control import listening
from deploy.discover import find_services
from deploy.processes import LocalDriver
from deploy.system import DeployError, Row, System
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
    system = System(find_services(root), LocalDriver(root, _write_line), environ)
    asked_to_stop = _stop_on_signals()
    show("Gantry is starting: " + ", ".join(unit.name for unit in system.units))
    async with (
        httpx.AsyncClient(trust_env=False) as client,
        listening(system.gateway.port, _commands(system, client)),
    ):
        try:
            await system.start()
            await _until(asked_to_stop, system.watch(client), _show_summary(system, client))
        finally:
            show("Gantry is ending …")
            await system.stop()
    show("Gantry has ended")
    return 0


async def _until(event: asyncio.Event, *work: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` beside each other until ``event``; an exception of one ends all."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
            await event.wait()
            for task in tasks:
                task.cancel()
    except* DeployError as errors:
        raise errors.exceptions[0] from errors


async def _show_summary(system: System, client: httpx.AsyncClient) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(system.settled.wait(), SETTLE_S)
    show(summary(system.url, system.rows(), await system.first_requests(client)))


def _commands(system: System, client: httpx.AsyncClient) -> Any:  # noqa: ANN401 - control.Answer
    async def answer(command: Mapping[str, Any]) -> Mapping[str, Any]:
        if command.get("command") != "status":
            return {"error": f"unknown command {command.get('command')!r}"}
        await system.refresh(client)
        return {"url": system.url, "rows": [asdict(row) for row in system.rows()]}

    return answer


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


def summary(url: str, rows: Sequence[Row], examples: Sequence[str]) -> str:
    """What a user must know when the system stands: addresses, what is missing, a first request."""
    ready = sum(row.state == "ready" for row in rows)
    if ready == len(rows):
        head = f"Gantry is ready on {url}"
    else:
        head = f"Gantry is up on {url}; {len(rows) - ready} of {len(rows)} are not ready"
    lines = ["", head, "", table(rows), "", f"Documentation of every path: {url}/docs"]
    if examples:
        lines += ["A first request:", *(f"  {example}" for example in examples)]
    return "\n".join([*lines, ""])


def table(rows: Sequence[Row]) -> str:
    """The rows with aligned columns."""
    cells = [(row.name, row.url, row.state, row.detail) for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(3)]
    return "\n".join(
        "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[3]])
        .rstrip()
        for row in cells
    )  # fmt: skip


def show(text: str) -> None:
    """Write to the operator's terminal, if it is still there."""
    with contextlib.suppress(OSError):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def _write_line(name: str, line: str) -> None:
    show(f"{name:<10} | {line}")
