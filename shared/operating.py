"""Paths for operators and the gateway, the same on every service: health, metrics, info, admin."""

import os
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import generate_latest

from shared.context import RequestContext
from shared.engine import EngineInfo
from shared.errors import NotFound
from shared.gpu.device import Device, list_gpus
from shared.gpu.memory import HostMonitor, NvmlMonitor
from shared.host import EngineHost
from shared.metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from shared.app import ServiceSpec


router = APIRouter()


@router.get("/livez", include_in_schema=False)
async def _livez() -> dict[str, str]:
    """Say that the process runs; nothing else can make this fail."""
    return {"status": "ok"}


@router.get("/readyz", include_in_schema=False)
async def _readyz(request: Request) -> JSONResponse:
    """Say whether every engine takes work, and why not."""
    spec: ServiceSpec = request.app.state.spec
    is_ready = all(host.takes_work for host in spec.hosts)
    wait_s = max((host.predicted_wait_s() for host in spec.hosts), default=0.0)
    body = {
        "ready": is_ready,
        "service": spec.name,
        "version": spec.version,
        "queue": {
            "items": sum(host.queued_items for host in spec.hosts),
            "predicted_wait_ms": round(wait_s * 1000, 1),
        },
        "memory": _memory([host.info for host in spec.hosts]),
        "engines": [_engine_state(host) for host in spec.hosts],
    }
    return JSONResponse(body, 200 if is_ready else 503, {} if is_ready else {"retry-after": "1"})


def _memory(engines: list[EngineInfo | None]) -> dict[str, float | None]:
    """Memory of this process and, if an engine runs on a GPU, memory and use of that GPU."""
    devices = [engine.device for engine in engines if engine is not None]
    on_gpu = next((device for device in devices if device.startswith("cuda")), None)
    monitor = _gpu_monitor(on_gpu) if on_gpu is not None else None
    gpu = monitor.snapshot() if monitor is not None else None
    host = HostMonitor()
    limit = host.snapshot()
    return {
        "process_rss_bytes": host.process_bytes(os.getpid()),
        "limit_bytes": limit.total_bytes if limit else None,  # the cgroup's, else the host's
        "gpu_used_bytes": gpu.used_bytes if gpu else None,
        "gpu_total_bytes": gpu.total_bytes if gpu else None,
        "gpu_utilisation": gpu.utilisation if gpu else None,
    }


@lru_cache(maxsize=16)
def _gpu_monitor(device: str) -> NvmlMonitor | None:
    """Kept, since starting NVML anew for each probe would take milliseconds."""
    index = Device(device).index
    uuid = next((gpu.uuid for gpu in list_gpus() if gpu.index == index), None)
    return NvmlMonitor(uuid) if uuid is not None else None


def _engine_state(host: EngineHost) -> dict[str, Any]:
    info = host.info
    return {
        "name": host.name,
        "phase": host.phase.value,
        "reason": host.reason,
        "model": info.model if info else None,
        "device": info.device if info else None,
        "device_reason": info.device_reason if info else None,
        "memory_share_bytes": host.share_bytes,
    }


@router.get("/metrics", include_in_schema=False)
async def _metrics(request: Request) -> Response:
    """Prometheus' text format."""
    spec: ServiceSpec = request.app.state.spec
    return Response(generate_latest(spec.registry), media_type=CONTENT_TYPE)


@router.get("/info", include_in_schema=False)
async def _info(request: Request) -> dict[str, Any]:
    """Tell the gateway what this service offers."""
    spec: ServiceSpec = request.app.state.spec
    return {
        "service": spec.name,
        "version": spec.version,
        "openapi": request.app.openapi(),
        "paths": [asdict(each) for each in spec.paths],
        "models": [_model_entry(host) for host in spec.hosts],
    }


def _model_entry(host: EngineHost) -> dict[str, Any]:
    info = host.info
    if info is None:
        return {"id": None, "engine": host.name, "status": host.phase.value, "reason": host.reason}
    return {
        "id": info.model,
        "engine": host.name,
        "status": host.phase.value,
        "reason": host.reason,
        "device": info.device,
        "compute_type": info.compute_type,
        "demo": info.demo,
        "licence": info.licence,
        **dict(info.details),
    }


@router.get("/progress/{request_id}", include_in_schema=False)
async def _progress(request_id: str, request: Request) -> dict[str, Any]:
    """How far a request that is being answered has come."""
    context: RequestContext | None = request.app.state.live.get(request_id)
    if context is None:
        raise NotFound("no request with this id is being answered here")
    progress = context.progress
    percent = 100 * progress.done / progress.total if progress.total else 0.0
    return {**asdict(progress), "percent": round(percent, 1)}


@router.post("/admin/preload", include_in_schema=False)
async def _preload(request: Request) -> list[dict[str, Any]]:
    """Load every engine that is not loaded, and wait until it is known whether that went well."""
    hosts = _admin_hosts(request)
    for host in hosts:
        if not host.is_ready:
            host.start()
    for host in hosts:
        await host.settled()
    return [_engine_state(host) for host in hosts]


@router.post("/admin/unload", include_in_schema=False)
async def _unload(request: Request) -> list[dict[str, Any]]:
    """Finish accepted work and free every engine."""
    hosts = _admin_hosts(request)
    for host in hosts:
        await host.unload()
    return [_engine_state(host) for host in hosts]


@router.post("/admin/drain", include_in_schema=False)
async def _drain(request: Request) -> list[dict[str, Any]]:
    """Take the service out of readiness, finish accepted work, free every engine."""
    hosts = _admin_hosts(request)
    for host in hosts:
        await host.stop()
    return [_engine_state(host) for host in hosts]


@router.post("/admin/recycle", include_in_schema=False)
async def _recycle(request: Request) -> list[dict[str, Any]]:
    """Replace every engine by a fresh one without dropping a request."""
    hosts = _admin_hosts(request)
    for host in hosts:
        await host.recycle("admin")
    return [_engine_state(host) for host in hosts]


def _admin_hosts(request: Request) -> list[EngineHost]:
    """The engines, if admin is on; the token itself has been checked before any route."""
    spec: ServiceSpec = request.app.state.spec
    if spec.settings.internal_token is None:
        raise NotFound(f"admin is off; set {spec.settings.prefix()}INTERNAL_TOKEN to use it")
    return list(spec.hosts)
