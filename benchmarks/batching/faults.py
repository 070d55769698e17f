"""The fault bench: what becomes of good requests when something goes wrong beside them.

Score = good requests answered well / good requests. The simulated device takes 80 ms + 1 ms a unit
of weight, eight items a batch; clients give up after ``PATIENCE_S``.
"""

import asyncio
import contextlib
import json
import os
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmarks.batching.launch import Target, running, wait_until_ready
from benchmarks.batching.load import read_notes
from benchmarks.batching.options import ServerOptions
from shared.benchmark import percentile

PATIENCE_S = 4.0
RECOVERY_LIMIT_S = 10.0
OVERLOAD_S = 5.0
BATCH = 8
FIXED_S, PER_WEIGHT_S = 0.080, 0.001


@dataclass(frozen=True)
class FaultResult:
    """What one fault did to one server."""

    good: int
    survived: int
    recovery_s: float | None  # until a new request was answered well; None: not within the limit
    note: str

    @property
    def score(self) -> float:
        """Share of good requests that were answered well."""
        return min(1.0, self.survived / self.good)


@dataclass(frozen=True)
class Outcome:
    """One request."""

    is_good: bool
    status: int | None  # None: no answer
    duration_s: float


class Clients:
    """Clients of one server."""

    def __init__(self, target: Target, session: aiohttp.ClientSession) -> None:
        """Ask ``target``."""
        self.target, self._session = target, session

    async def ask(
        self, name: str, *, weight: float = 1, kind: str = "good", patience_s: float = PATIENCE_S
    ) -> Outcome:
        """Send one item."""
        item = json.dumps({"id": name, "weight": weight, "kind": kind}).encode()
        started, status, is_good = time.monotonic(), None, False
        headers = {"content-type": "application/json"}
        limit = aiohttp.ClientTimeout(total=patience_s)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with self._session.post(
                self.target.url, data=self.target.body(item), headers=headers, timeout=limit
            ) as response:
                content, status = await response.read(), response.status
            is_good = status == 200 and json.loads(self.target.answer(content)) == {"id": name}
        return Outcome(is_good, status, time.monotonic() - started)

    def start(self, name: str, **options: object) -> "asyncio.Task[Outcome]":
        """Send one item in the background."""
        return asyncio.ensure_future(self.ask(name, **options))  # type: ignore[arg-type]

    async def recovery_s(self) -> float | None:
        """Time until a new request is answered well."""
        started = time.monotonic()
        while time.monotonic() - started < RECOVERY_LIMIT_S:
            if (await self.ask("again", patience_s=1.0)).is_good:
                return round(time.monotonic() - started, 2)
            await asyncio.sleep(0.05)
        return None


async def bad_item(clients: Clients) -> FaultResult:
    """One of eight items that wait together fails the batch that it is in."""
    outcomes: list[Outcome] = []
    for turn in range(3):
        busy = clients.start("busy")
        await asyncio.sleep(0.03)
        bad = clients.start("bad", kind="bad")
        good = [clients.start(f"good-{turn}-{number}") for number in range(7)]
        outcomes += await asyncio.gather(*good)
        await asyncio.gather(bad, busy)
    return _result(outcomes, await clients.recovery_s(), "")


async def abandoned(clients: Clients) -> FaultResult:
    """24 clients leave while they wait; eight stay."""
    busy = clients.start("busy", kind="slow")
    await asyncio.sleep(0.1)
    leaving = [clients.start(f"left-{number}", patience_s=0.2) for number in range(24)]
    await asyncio.gather(*leaving)
    started = time.monotonic()
    outcomes = await asyncio.gather(*(clients.ask(f"good-{number}") for number in range(8)))
    waited_s = time.monotonic() - started
    await busy
    recovery_s = await clients.recovery_s()
    ran = [name for note in read_notes(clients.target.options.runs_file)
           for name in note.get("ids", ())]  # type: ignore[attr-defined] # fmt: skip
    computed = sum(name.startswith("left-") for name in ran)
    return _result(
        outcomes, recovery_s, f"{computed} of 24 computed; the others waited {waited_s:.1f} s"
    )


async def killed_worker(clients: Clients) -> FaultResult:
    """The process that runs the model is killed while it works and seven requests wait."""
    busy = clients.start("busy", kind="slow")
    await asyncio.sleep(0.2)
    waiting = [clients.start(f"good-{number}") for number in range(7)]
    await asyncio.sleep(0.2)
    notes = read_notes(clients.target.options.runs_file)
    pid = next(int(str(note["pid"])) for note in reversed(notes) if "pid" in note)
    os.kill(pid, signal.SIGKILL)
    recovery_s = await clients.recovery_s()
    outcomes = await asyncio.gather(busy, *waiting)
    slowest_s = max(each.duration_s for each in outcomes)
    return _result(outcomes, recovery_s, f"all knew after {slowest_s:.1f} s")


async def overload(clients: Clients) -> FaultResult:
    """Five times as many requests come as can be served, until the last client gives up."""
    per_s = BATCH / (FIXED_S + BATCH * PER_WEIGHT_S)
    total = int(5 * per_s * OVERLOAD_S)
    begin, tasks = time.monotonic(), []
    for number in range(total):
        await asyncio.sleep(max(0.0, begin + number / (5 * per_s) - time.monotonic()))
        tasks.append(clients.start(f"good-{number}"))
    outcomes = await asyncio.gather(*tasks)
    served = sum(each.is_good for each in outcomes)
    refused = [each.duration_s * 1000 for each in outcomes if each.status in (429, 503)]
    lost = len(outcomes) - served - len(refused)
    wait = f", p95 {percentile(refused, 0.95):.0f} ms" if refused else ""
    note = f"{len(refused)} refused{wait}; {lost} ran out of time or failed"
    servable = int(per_s * (OVERLOAD_S + PATIENCE_S))
    return FaultResult(servable, served, await clients.recovery_s(), note)


async def out_of_memory(clients: Clients) -> FaultResult:
    """Eight items that fit alone do not fit together."""
    outcomes: list[Outcome] = []
    for turn in range(2):
        busy = clients.start("busy")
        await asyncio.sleep(0.03)
        good = [clients.start(f"good-{turn}-{number}", weight=3) for number in range(8)]
        outcomes += await asyncio.gather(*good)
        await busy
    return _result(outcomes, await clients.recovery_s(), "")


async def hung_forward(clients: Clients) -> FaultResult:
    """One forward never ends; the limit of a batch is 1 s, seven requests wait."""
    hung = clients.start("hung", kind="hang")
    await asyncio.sleep(0.1)
    outcomes = await asyncio.gather(*(clients.ask(f"good-{number}") for number in range(7)))
    recovery_s = await clients.recovery_s()
    answer = await hung
    return _result(outcomes, recovery_s, f"the hung one: {answer.status or 'no answer'}")


Scenario = Callable[[Clients], Awaitable[FaultResult]]
FAULTS: dict[str, Scenario] = {
    "one bad item of 8": bad_item,
    "24 abandoned clients": abandoned,
    "5x overload": overload,
    "out of memory above a weight": out_of_memory,
    "kill -9 of the worker": killed_worker,
    "hung forward": hung_forward,
}
LASTING = (killed_worker, hung_forward)
"""Faults after which a server may not be itself: these get a fresh one."""


def run_faults(name: str, *, wait_ms: float) -> dict[str, FaultResult]:
    """Put one server through all faults; one that is not well again after a fault starts anew."""
    found: dict[str, FaultResult] = {}
    waiting = dict(FAULTS)
    while waiting:
        with _device_server(name, wait_ms) as target:
            for fault in list(waiting):
                scenario = waiting.pop(fault)
                found[fault] = asyncio.run(_run(scenario, target))
                following = next(iter(waiting.values()), None)
                if found[fault].recovery_s is None or {scenario, following} & {*LASTING}:
                    break
    return found


@contextmanager
def _device_server(name: str, wait_ms: float) -> Iterator[Target]:
    with tempfile.TemporaryDirectory() as folder:
        options = ServerOptions(
            work="device",
            max_batch=BATCH,
            wait_ms=wait_ms,
            timeout_s=PATIENCE_S,
            hang_s=1,
            fixed_ms=FIXED_S * 1000,
            per_weight_ms=PER_WEIGHT_S * 1000,
            memory_weight=12,
            runs_file=str(Path(folder) / "runs"),
        )
        with running(name, options) as target:
            wait_until_ready(target)
            yield target


async def _run(
    scenario: Callable[[Clients], Awaitable[FaultResult]], target: Target
) -> FaultResult:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        clients = Clients(target, session)
        for number in range(4):  # one by one, so that schedulers that learn have learnt something
            await clients.ask(f"warm-{number}")
        return await scenario(clients)


def _result(outcomes: Sequence[Outcome], recovery_s: float | None, note: str) -> FaultResult:
    return FaultResult(len(outcomes), sum(each.is_good for each in outcomes), recovery_s, note)
