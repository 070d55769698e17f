"""An engine host in virtual time, whose engines do on command what engines do by accident."""

import asyncio
import time
from dataclasses import dataclass, field
from math import inf

from prometheus_client import CollectorRegistry

from shared.batching import BatchLimits
from shared.context import RequestContext, entered
from shared.engine import EngineInfo
from shared.errors import FatalEngineError
from shared.gpu.ledger import DeviceMemoryFull
from shared.host import EngineHost
from shared.metrics import EngineMetrics


@dataclass
class Script:
    """What the lanes of one engine do, in order of their starts; the last entry repeats."""

    starts: list = field(default_factory=lambda: [EngineInfo("m", "cuda:0")])
    started: list = field(default_factory=list)
    room: int | None = None  # lanes that the device's memory holds; None: any number
    stopped: int = 0
    leak_bytes: int = 0  # growth of a lane's memory with each batch
    full_bytes: float = inf  # growth at which it ends: a cache that is full
    frees: bool = False  # whether a clean-up gives it back
    stop_s: float = 0.0  # how long a lane takes to stop
    alive_at_starts: list = field(default_factory=list)  # other lanes, when each start began
    batches: list = field(default_factory=list)  # payloads of each batch


class ScriptedLane:
    def __init__(self, script):
        self.script, self.is_alive = script, False
        self.grown_bytes, self.pid = 0, 1

    @property
    def memory_bytes(self):
        return 500 * 2**20 + self.grown_bytes

    def clone(self):
        return ScriptedLane(self.script)

    async def start(self):
        alive = sum(each.is_alive for each in self.script.started)
        self.script.alive_at_starts.append(alive)
        await asyncio.sleep(0.5)
        if self.script.room is not None and alive >= self.script.room:
            raise DeviceMemoryFull("no room")
        number = len(self.script.started)
        self.script.started.append(self)
        outcome = self.script.starts[min(number, len(self.script.starts) - 1)]
        if isinstance(outcome, Exception):
            raise outcome
        self.is_alive = True
        return outcome

    async def run(self, key, payloads):
        self.script.batches.append(payloads)
        await asyncio.sleep(0.1)
        self.grown_bytes = min(self.grown_bytes + self.script.leak_bytes, self.script.full_bytes)
        if "die" in payloads:
            self.is_alive = False
            raise FatalEngineError("gone")
        return [(self.script.started.index(self), payload) for payload in payloads]

    async def clean_up(self):
        if self.script.frees:
            self.grown_bytes = 0

    async def stop(self):
        await asyncio.sleep(self.script.stop_s)
        self.is_alive = False
        self.script.stopped += 1


def host_of(script, *, limits=None, **options):
    return EngineHost(
        ScriptedLane(script),
        limits or BatchLimits(),
        metrics=EngineMetrics(CollectorRegistry()),
        name="test",
        **options,
    )


async def ready_host(script, **options):
    """A host whose engine is loaded, or has failed to."""
    host = host_of(script, **options)
    host.start()
    await host.settled()
    return host


async def ask(host, payload):
    with entered(RequestContext("id", time.monotonic() + 1e6)):
        return await host.run(payload)
