"""``create_app``: what every service is made of, around the service's own routes.

A service describes itself with ``ServiceSpec``; this module adds lifespan, ``/livez``, ``/readyz``,
``/metrics``, ``/info``, error handlers, request ids, limits, deadlines and headers, once for all.
"""

import asyncio
import contextlib
import gc
import logging
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import uvicorn
from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry
from uvicorn.config import STARTUP_FAILURE

from shared import operating, problems
from shared.context import RequestContext
from shared.direct import DirectPaths, DirectRoute
from shared.direct_protocol import DirectProtocol
from shared.heap import share_one_heap
from shared.host import EngineHost
from shared.http import AsgiApp, Receive, Scope, Send
from shared.log import configure_logging
from shared.media.pool import MediaPool
from shared.metrics import HttpMetrics
from shared.request_layer import RequestLayer, RouteLimits
from shared.server_protocol import ServerProtocol
from shared.settings import HttpSettings, SettingsError, is_loopback
from shared.spool import remove_leftovers

log = logging.getLogger(__name__)

BAD_SETTINGS = 2
"""Exit status of a process whose settings are wrong."""

Settings = TypeVar("Settings", bound=HttpSettings)


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
    settings: HttpSettings
    router: APIRouter
    paths: Sequence[PathInfo]
    hosts: Sequence[EngineHost]
    registry: CollectorRegistry
    media: MediaPool | None = None
    state: Mapping[str, Any] = field(default_factory=dict)  # what routes find in app.state
    closing: Sequence[Callable[[], Awaitable[None]]] = ()  # awaited when the service ends
    # By path, ASGI middleware that answers what it can and hands the rest on to the framework.
    shortcuts: Mapping[str, Callable[[AsgiApp], AsgiApp]] = field(default_factory=dict)
    # By path, routes that are answered before the application is asked (see ``shared.direct``).
    direct: Mapping[str, DirectRoute] = field(default_factory=dict)


class ServiceApp(FastAPI):
    """A FastAPI application inside a ``RequestLayer``, which sees each request first."""

    layer: RequestLayer
    direct: DirectPaths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI event stream."""
        await self.layer(scope, receive, send)

    async def framework(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer it inside the layer, by the routes."""
        await super().__call__(scope, receive, send)


def create_app(spec: ServiceSpec) -> FastAPI:
    """Build the service's application.

    Args:
        spec: the service's routes, engines and limits.

    Returns:
        The application; ``app.state`` holds ``spec``, and each entry of ``spec.state``.
    """
    app = ServiceApp(
        title=f"Gantry {spec.name}",
        version=spec.version,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    app.state.spec = spec
    for name, value in spec.state.items():
        setattr(app.state, name, value)
    app.include_router(spec.router)
    app.include_router(operating.router)
    problems.install(app)
    app.state.live = {}  # contexts of the requests being answered, by request id
    app.layer = _layer_around(app, spec, app.state.live)
    app.direct = DirectPaths(spec.direct, app.layer)
    return app


def _layer_around(
    app: ServiceApp, spec: ServiceSpec, live: dict[str, RequestContext]
) -> RequestLayer:
    limits = {
        each.path: RouteLimits(each.max_body_bytes, each.default_deadline_ms) for each in spec.paths
    }
    token = spec.settings.internal_token
    return RequestLayer(
        app.framework,
        metrics=HttpMetrics(spec.registry),
        limits=limits,
        default_limits=RouteLimits(spec.settings.max_body_bytes, spec.settings.deadline_ms),
        fixed_headers={"x-service": spec.name, "x-service-version": spec.version},
        token=token.get_secret_value() if token else None,
        live=live,
        shortcuts={path: wrap(app.framework) for path, wrap in spec.shortcuts.items()},
        access_log=spec.settings.access_log,
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    spec: ServiceSpec = app.state.spec
    if spec.settings.spool_dir is not None:
        await asyncio.to_thread(remove_leftovers, spec.settings.spool_dir)
    for host in spec.hosts:
        host.start()
    announcement = asyncio.create_task(_announce(spec.hosts))
    try:
        yield
    finally:
        announcement.cancel()
        for host in spec.hosts:
            await host.stop()
        if spec.media is not None:
            await spec.media.close()
        for close in spec.closing:
            await close()


async def _announce(hosts: Sequence[EngineHost]) -> None:
    """Say in one line what there is, once every engine is loaded or known not to load."""
    began = time.monotonic()
    for host in hosts:
        await host.settled()
    engines = [f"{host.name}: {host.info if host.is_ready else host.phase.value}" for host in hosts]
    log.info("up after %.1f s; %s", time.monotonic() - began, ", ".join(engines) or "no engine")


def http_protocol(app: AsgiApp) -> type[ServerProtocol]:
    """What speaks HTTP with the clients of an application."""
    has_direct = isinstance(app, ServiceApp) and len(app.direct) > 0
    return DirectProtocol if has_direct else ServerProtocol


def run(
    name: str,
    settings_type: type[Settings],
    build: Callable[[Settings], AsgiApp],
    *,
    share_port: Callable[[Settings], bool] = lambda _: False,
) -> int:
    """Run a service as a process, as ``python -m services.<name>`` does.

    Args:
        name: of the service.
        settings_type: read from the environment; a bad one ends the start with one sentence.
        build: makes the application.
        share_port: whether other processes may listen on the same port.

    Returns:
        The exit status.
    """
    try:
        settings = settings_type.from_environment()
        serve(build(settings), settings, name=name, share_port=share_port(settings))
    except SettingsError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return BAD_SETTINGS
    return 0


def serve(app: AsgiApp, settings: HttpSettings, *, name: str, share_port: bool = False) -> None:
    """Run an application until it is told to stop.

    Args:
        app: the application.
        settings: where and how it listens.
        name: in the log.
        share_port: let other processes listen on the same port.

    Raises:
        SettingsError: it would listen beyond the loopback without a token.
    """
    if settings.internal_token is None and not is_loopback(settings.host):
        raise SettingsError(
            f"{settings.prefix()}HOST={settings.host} listens beyond this machine: set "
            f"{settings.prefix()}INTERNAL_TOKEN, and GATEWAY_INTERNAL_TOKEN to the same"
        )
    configure_logging(
        name, level=settings.log_level, style=settings.log_format, quiet=settings.quiet
    )
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=30,
        http=http_protocol(app),
        ws="none",
    )
    server = uvicorn.Server(config)
    # What is there now stays: a full collection need not look at it for every few hundred requests.
    gc.collect()
    gc.freeze()
    share_one_heap()
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[_shared_port(settings)] if share_port else None)
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def _shared_port(settings: HttpSettings) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((settings.host, settings.port))
    return listener
