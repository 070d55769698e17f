"""A small real service around an engine that echoes, for tests of the skeleton."""

import asyncio
import time

from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry

from shared.app import PathInfo, ServiceSpec, create_app
from shared.batching import BatchLimits
from shared.context import request_context
from shared.engine import EngineInfo
from shared.host import EngineHost
from shared.lanes import InlineLane, Lane, ProcessLane
from shared.metrics import EngineMetrics
from shared.settings import ServiceSettings
from shared.uploads import read_upload
from shared.worker import WorkerSpec


class EchoEngine:
    """Gives each payload back; a payload {"fail": …} raises, {"sleep_s": …} takes its time."""

    def load(self):
        return EngineInfo(model="echo", device="cpu")

    def warm_up(self):
        assert self.run((), ["golden"]) == ["golden"]

    def run(self, key, payloads):
        return [self._one(payload) for payload in payloads]

    def _one(self, payload):
        if isinstance(payload, dict) and "sleep_s" in payload:
            time.sleep(payload["sleep_s"])
        if isinstance(payload, dict) and "fail" in payload:
            return ValueError(payload["fail"])
        if isinstance(payload, dict) and "die" in payload:
            import os

            os._exit(3)
        return payload

    def close(self):
        pass


def create_echo_engine(_options):
    return EchoEngine()


def process_lane(timeout_s=30.0, **options):
    spec = WorkerSpec(handler="tests.shared.echo:create_echo_engine", name="echo", **options)
    return ProcessLane(spec, timeout_s=timeout_s)


router = APIRouter()


@router.post("/v1/echo")
async def echo(request: Request):
    return await request.app.state.host.run(await request.json())


@router.post("/v1/upload")
async def upload(request: Request):
    async with read_upload(request) as received:
        files = [[file.size_bytes, file.sha256] for file in received.files]
        return {"files": files, "options": received.options}


@router.post("/v1/crash")
async def crash():
    raise RuntimeError("secret detail")


@router.post("/v1/hang")
async def hang():
    await asyncio.Event().wait()


@router.post("/v1/progress-then-hang")
async def progress_then_hang():
    progress = request_context().progress
    progress.stage, progress.done, progress.total = "pages", 3, 12
    await asyncio.Event().wait()


def build(
    lane: Lane | None = None,
    *,
    settings=None,
    max_body_bytes=2**20,
    deadline_ms=10_000,
    max_batch_size=8,
):
    registry = CollectorRegistry()
    host = EngineHost(
        lane or InlineLane(EchoEngine),
        BatchLimits(max_batch_size=max_batch_size),
        metrics=EngineMetrics(registry),
        name="echo",
    )
    return create_app(
        ServiceSpec(
            name="echo",
            version="1.2.3",
            settings=settings or ServiceSettings(),
            router=router,
            paths=[PathInfo("/v1/echo", "POST", max_body_bytes, deadline_ms),
                   PathInfo("/v1/hang", "POST", max_body_bytes, 50)],
            hosts=[host],
            registry=registry,
            state={"host": host},
        )
    )  # fmt: skip
