"""``create_app``: what every service is made of, around the service's own routes.

A service describes itself with ``ServiceSpec``; this module adds lifespan, ``/livez``, ``/readyz``,
``/metrics``, ``/info``, error handlers, request ids, limits, deadlines and headers, once for all.
"""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, generate_latest
from starlette.exceptions import HTTPException

from shared.errors import (
    FieldFault,
    GantryError,
    InvalidInput,
    error_from_status,
    problem,
    retry_headers,
)
from shared.host import EngineHost
from shared.http import PROBLEM_TYPE, AsgiApp, RequestLayer, RouteLimits
from shared.log import configure_logging, request_id_var
from shared.media.pool import MediaPool
from shared.metrics import CONTENT_TYPE, HttpMetrics
from shared.settings import ServiceSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PathInfo:
    """What the gateway must know of one inference path, as ``/info`` tells it."""

    path: str
    method: str
    max_body_bytes: int
    default_deadline_ms: int
    stream: bool = False  # may answer with server-sent events
    job: bool = True  # may run as a job
    replayable: bool = True  # a pure function: running it twice does no harm


@dataclass(frozen=True)
class ServiceSpec:
    """A service, as ``create_app`` needs it."""

    name: str
    version: str
    settings: ServiceSettings
    router: APIRouter
    paths: Sequence[PathInfo]
    hosts: Sequence[EngineHost]
    registry: CollectorRegistry
    media: MediaPool | None = None
    state: Mapping[str, Any] = field(default_factory=dict)  # what routes find in app.state


def create_app(spec: ServiceSpec) -> FastAPI:
    """Build the service's application.

    Args:
        spec: the service's routes, engines and limits.

    Returns:
        The application; ``app.state`` holds ``spec``, and each entry of ``spec.state``.
    """
    app = FastAPI(
        title=f"Gantry {spec.name}",
        version=spec.version,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.spec = spec
    for name, value in spec.state.items():
        setattr(app.state, name, value)
    app.include_router(spec.router)
    app.include_router(_operating)
    for kind in (GantryError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _answer_error)
    app.add_middleware(cast("Any", _layer_for(spec)))
    return app


def _layer_for(spec: ServiceSpec) -> Any:  # noqa: ANN401 - Starlette calls it with the inner app
    limits = {
        each.path: RouteLimits(each.max_body_bytes, each.default_deadline_ms) for each in spec.paths
    }
    metrics = HttpMetrics(spec.registry)
    default = RouteLimits(spec.settings.max_body_bytes, spec.settings.deadline_ms)
    headers = {"x-service": spec.name, "x-service-version": spec.version}

    def wrap(app: AsgiApp) -> RequestLayer:
        return RequestLayer(
            app, metrics=metrics, limits=limits, default_limits=default, fixed_headers=headers
        )

    return wrap


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    spec: ServiceSpec = app.state.spec
    for host in spec.hosts:
        host.start()
    try:
        yield
    finally:
        for host in spec.hosts:
            await host.stop()
        if spec.media is not None:
            await spec.media.close()


async def _answer_error(request: Request, error: Exception) -> Response:
    shown = _as_gantry_error(error)
    if shown.status >= 500:
        log.warning("answered %d %s: %s", shown.status, shown.code, shown.detail)
    body = problem(shown, request_id=request_id_var.get(), instance=request.url.path)
    headers = dict(retry_headers(shown))
    return JSONResponse(body, shown.status, headers, media_type=PROBLEM_TYPE)


def _as_gantry_error(error: Exception) -> GantryError:
    if isinstance(error, GantryError):
        return error
    if isinstance(error, RequestValidationError):
        return invalid_input(error.errors())
    assert isinstance(error, HTTPException)
    return error_from_status(error.status_code, str(error.detail))


def invalid_input(faults: Sequence[Any], skip: Sequence[str] = ("body", "query")) -> InvalidInput:
    """Turn pydantic's list of faults into the error that names each field.

    Args:
        faults: as ``ValidationError.errors()`` gives them.
        skip: first parts of a location that say where the field stood, not what it is called.
    """
    listed = []
    for fault in faults:
        path = list(fault["loc"])
        if len(path) > 1 and path[0] in skip:
            path = path[1:]
        listed.append(FieldFault(".".join(str(part) for part in path), str(fault["msg"])))
    shown = "; ".join(f"{fault.loc}: {fault.msg}" for fault in listed[:5])
    return InvalidInput(shown, faults=listed)


_operating = APIRouter()


@_operating.get("/livez", include_in_schema=False)
async def _livez() -> dict[str, str]:
    """Say that the process runs; nothing else can make this fail."""
    return {"status": "ok"}


@_operating.get("/readyz", include_in_schema=False)
async def _readyz(request: Request) -> JSONResponse:
    """Say whether every engine takes work, and why not."""
    spec: ServiceSpec = request.app.state.spec
    is_ready = all(host.is_ready for host in spec.hosts)
    wait_s = max((host.predicted_wait_s() for host in spec.hosts), default=0.0)
    body = {
        "ready": is_ready,
        "service": spec.name,
        "version": spec.version,
        "queue": {
            "items": sum(host.queued_items for host in spec.hosts),
            "predicted_wait_ms": round(wait_s * 1000, 1),
        },
        "engines": [_engine_state(host) for host in spec.hosts],
    }
    return JSONResponse(body, 200 if is_ready else 503, {} if is_ready else {"retry-after": "1"})


def _engine_state(host: EngineHost) -> dict[str, Any]:
    info = host.info
    return {
        "name": host.name,
        "phase": host.phase.value,
        "reason": host.reason,
        "model": info.model if info else None,
        "device": info.device if info else None,
    }


@_operating.get("/metrics", include_in_schema=False)
async def _metrics(request: Request) -> Response:
    """Prometheus' text format."""
    spec: ServiceSpec = request.app.state.spec
    return Response(generate_latest(spec.registry), media_type=CONTENT_TYPE)


@_operating.get("/info", include_in_schema=False)
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


def serve(app: AsgiApp, settings: ServiceSettings, *, name: str) -> None:
    """Run an application until it is told to stop; ``python -m services.<name>`` calls this."""
    configure_logging(
        name, level=settings.log_level, style=settings.log_format, quiet=settings.quiet
    )
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=30,
    )
