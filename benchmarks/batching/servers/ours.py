"""The simulated device behind this project's own skeleton: ``create_app`` and a process lane."""

import json
from collections.abc import Hashable, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry

from benchmarks.batching.options import ServerOptions
from benchmarks.batching.simulated_device import SimulatedDevice
from shared.app import PathInfo, ServiceSpec, create_app, serve
from shared.batching import BatchLimits
from shared.engine import EngineInfo
from shared.errors import InvalidInput
from shared.host import EngineHost
from shared.lanes import ProcessLane
from shared.metrics import EngineMetrics
from shared.settings import ServiceSettings
from shared.worker import WorkerSpec

router = APIRouter()


class DeviceEngine:
    """The device as an engine."""

    def __init__(self, options: ServerOptions) -> None:
        """Take the options; the device is made by ``load``."""
        self._options = options

    def load(self) -> EngineInfo:
        """Make the device."""
        self._device = SimulatedDevice(self._options)
        return EngineInfo(model="simulated", device="cpu")

    def warm_up(self) -> None:
        """There is nothing to warm."""

    def run(self, key: Hashable, payloads: Sequence[Any]) -> list[bytes]:
        """Run a batch."""
        return self._device.run(payloads)

    def close(self) -> None:
        """There is nothing to free."""


def create_engine(_options: dict[str, Any]) -> DeviceEngine:
    """Build the engine in the lane's process."""
    return DeviceEngine(ServerOptions.from_environment())


@router.get("/ready")
async def ready(request: Request) -> Response:
    """Say whether the engine takes work."""
    return Response(status_code=200 if request.app.state.host.is_ready else 503)


@router.post("/predict")
async def predict(request: Request) -> Response:
    """Answer one item."""
    try:
        item = json.loads(await request.body())
        weight = float(item["weight"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput("weight: a positive number is needed") from error
    host: EngineHost = request.app.state.host
    return Response(await host.run(item, weight=weight), media_type="application/json")


def main() -> None:
    """Serve."""
    options = ServerOptions.from_environment()
    lane = ProcessLane(
        WorkerSpec(handler="benchmarks.batching.servers.ours:create_engine", name="device"),
        timeout_s=options.hang_s,
    )
    registry = CollectorRegistry()
    limits = BatchLimits(max_batch_size=options.max_batch, max_queue_items=1024)
    host = EngineHost(lane, limits, metrics=EngineMetrics(registry), name="device")
    settings = ServiceSettings(port=options.port, log_level="error", access_log="off")
    deadline_ms = int(options.timeout_s * 1000)
    spec = ServiceSpec(
        name="bench",
        version="1",
        settings=settings,
        router=router,
        paths=[PathInfo("/predict", "POST", 2**20, deadline_ms)],
        hosts=[host],
        registry=registry,
        state={"host": host},
    )
    serve(create_app(spec), settings, name="bench")


if __name__ == "__main__":
    main()
