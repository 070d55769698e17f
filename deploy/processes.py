"""The driver of local processes: each unit is a child process, started anew when it dies."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy import leash
from deploy.driver import Unit

log = logging.getLogger(__name__)

RESTART_DELAYS_S = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
"""Pause before each further start of a process that keeps dying; the last one repeats."""
STEADY_AFTER_S = 30.0
"""A process that ran this long has started well: the pauses begin anew."""
LINE_LIMIT_BYTES = 2**20

WriteLine = Callable[[str, str], None]
"""Takes a unit's name and one line of its output."""


class LocalProcess:
    """A unit as a process of this machine; satisfies ``Instance``."""

    def __init__(self, unit: Unit, root: Path, write_line: WriteLine) -> None:
        """Prepare to run ``unit``; ``start`` starts it.

        Args:
            unit: what to run.
            root: source tree that it runs from, unless the unit names another.
            write_line: where its output goes.
        """
        self.unit = unit
        self.trouble: str | None = "not started"
        self.starts = 0
        self._root = root
        self._write_line = write_line
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """Process id, while it runs."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the process, and start it anew whenever it ends, until ``stop``."""
        self._keeper = asyncio.ensure_future(self._keep())

    def change(self, unit: Unit) -> None:
        """Run ``unit`` from the next start on."""
        self.unit = unit

    async def stop(self, grace_s: float) -> None:
        """Send SIGTERM, and SIGKILL after ``grace_s``; returns when the process is gone."""
        self._stopping = True
        if self._keeper is None:
            return
        if self._process is None:
            self._keeper.cancel()  # it waits for the next start
        self._signal(signal.SIGTERM)
        done, _ = await asyncio.wait([self._keeper], timeout=grace_s)
        if not done:
            log.warning("%s did not end within %.0f s; it is killed", self.unit.name, grace_s)
            self._signal(signal.SIGKILL)
        with contextlib.suppress(asyncio.CancelledError):
            await self._keeper

    async def _spawn(self) -> asyncio.StreamReader:
        self.starts += 1
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, leash.__file__, str(os.getpid()),
            sys.executable, "-m", self.unit.module,
            cwd=self.unit.folder or self._root,
            env=_environment(self.unit),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=LINE_LIMIT_BYTES,
            start_new_session=True,  # Ctrl-C reaches us alone; we end the others in order
        )  # fmt: skip
        self.trouble = None
        assert self._process.stdout is not None
        return self._process.stdout

    async def _keep(self) -> None:
        attempt = 0
        while True:
            started = time.monotonic()
            try:
                ending = await self._watch(await self._spawn())
            except OSError as error:
                ending = f"cannot be started: {error}"
            if self._stopping:
                return
            if time.monotonic() - started >= STEADY_AFTER_S:
                attempt = 0
            delay_s = RESTART_DELAYS_S[min(attempt, len(RESTART_DELAYS_S) - 1)]
            attempt += 1
            self.trouble = f"{ending}; starts again in {delay_s:g} s"
            log.warning("%s ended: %s", self.unit.name, self.trouble)
            await asyncio.sleep(delay_s)

    async def _watch(self, output: asyncio.StreamReader) -> str:
        """Pass the output on until the process ends; says how it ended."""
        assert self._process is not None
        pump = asyncio.ensure_future(self._pump(output))
        code = await self._process.wait()
        # What it started itself and left behind may hold the pipe open: end that too.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process = None
        await asyncio.wait([pump], timeout=1.0)
        pump.cancel()
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"

    async def _pump(self, output: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await output.readline()
            except ValueError:  # longer than LINE_LIMIT_BYTES; the reader has dropped it
                continue
            if not line:
                return
            self._write_line(self.unit.name, line.decode(errors="replace").rstrip())

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


class LocalDriver:
    """Runs units as processes of this machine; satisfies ``Driver``."""

    def __init__(self, root: Path, write_line: WriteLine) -> None:
        """Run units from the source tree ``root`` and pass their output to ``write_line``."""
        self._root = root
        self._write_line = write_line

    async def start(self, unit: Unit) -> LocalProcess:
        """Start a unit and keep it running; returns before it is ready."""
        process = LocalProcess(unit, self._root, self._write_line)
        process.start()
        return process


def _environment(unit: Unit) -> Mapping[str, str]:
    return {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        **unit.environ,
        f"{unit.prefix}HOST": unit.host,
        f"{unit.prefix}PORT": str(unit.port),
    }
