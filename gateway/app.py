"""The gateway's application: data plane for what services offer, control plane for the rest.

It is one plain ASGI application; the server only sees this.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from gateway import key_store
from gateway.admin import build_admin
from gateway.attempts import Attempts
from gateway.auth import OPEN_PATHS
from gateway.begun import begun_of
from gateway.body_store import StoreLimits
from gateway.control_plane import build_control_plane
from gateway.data_plane import DataPlane, DataPlaneOptions
from gateway.database import DATABASE_FILE, connect
from gateway.direct import DirectConnection, DirectWay
from gateway.discovery import DnsFollower, parse_upstreams
from gateway.gate import AdminGate, refuse, remember
from gateway.http1_client import Http1Client
from gateway.jobs.intake import Intake, IntakeLimits
from gateway.jobs.runner import JobRunner, RunnerOptions
from gateway.parts import Parts, make_parts
from gateway.registry import Registry
from gateway.routing_table import scope_of
from gateway.same_machine import SameMachineOnly
from gateway.selection import Selector
from gateway.settings import GatewaySettings
from gateway.upstream import UpstreamClient
from shared.errors import GantryError
from shared.http import AsgiApp, Receive, Scope, Send
from shared.request_layer import RequestLayer, RouteLimits
from shared.server_protocol import ServerProtocol, protocol_with_head_timeout
from shared.settings import SettingsError, is_loopback

VERSION = "0.1.0"
SILENT_S = 60.0  # after the start, until replicas of an earlier run are forgotten
CONTROL_LIMITS = RouteLimits(max_body_bytes=2**20, default_deadline_ms=3_600_000)


class Gateway:
    """The whole gateway; started and stopped by the server's lifespan events."""

    def __init__(self, settings: GatewaySettings) -> None:
        """Read the addresses; nothing is opened before the lifespan begins.

        Raises:
            SettingsError: an address is malformed.
        """
        self.settings = settings
        self.parts = make_parts(settings)
        self._addresses = [
            address
            for name, value in settings.upstreams.items()
            for address in parse_upstreams(name, value)
        ]
        self._control_app = build_control_plane(self.parts, VERSION)
        self._control = self._layered(self._control_app)
        self._data: DataPlane | None = None
        self.direct: DirectWay | None = None  # while running
        gate = AdminGate(self._layered(build_admin(self.parts)), self.parts.authenticator)
        self.admin: AsgiApp = SameMachineOnly(gate) if is_loopback(settings.admin_host) else gate

    @property
    def registry(self) -> Registry:
        """Services and replicas."""
        return self.parts.registry

    @property
    def protocol(self) -> type[ServerProtocol]:
        """What speaks HTTP with clients."""
        base = DirectConnection if self.settings.direct else ServerProtocol
        return protocol_with_head_timeout(self.settings.head_timeout_s, base)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI event stream."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = begun_of(scope)
        if begun is not None:
            assert self._data is not None
            remember(scope, begun.caller)
            await self._data(begun.route, scope, receive, send)
            return
        path: str = scope["path"]
        identify = self.parts.authenticator.identify
        try:
            route = self.registry.table.find(path, scope["method"])
            if route is not None:
                remember(scope, await identify(scope, scope_of(route)))
            elif not OPEN_PATHS.match(path):
                remember(scope, await identify(scope, _control_scope(path)))
        except GantryError as error:
            await refuse(error, scope, send)
            return
        if route is None:
            await self._control(scope, receive, send)
        else:
            assert self._data is not None
            await self._data(route, scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self.running():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open connections and begin to probe; inside the block requests can be answered."""
        parts, settings = self.parts, self.settings
        client = Http1Client(
            connect_timeout_s=settings.connect_timeout_s, keepalive_s=settings.keepalive_s
        )
        selector = Selector(parts.splits, settings.hold_s)
        attempts = Attempts(parts.registry, client, selector, parts.metrics, token=parts.token)
        intake = Intake(
            parts.job_store, parts.job_files, IntakeLimits(timeout_s=settings.job_timeout_s)
        )
        self._data = DataPlane(
            attempts, parts.admission, parts.quotas, intake, parts.metrics, _options(settings)
        )
        self.direct = DirectWay(parts, self._data, attempts, selector, client)
        runner = _job_runner(parts, attempts, client)
        self._control_app.state.job_runner = runner
        await parts.database.open()
        await parts.splits.load()
        await parts.registrations.load()
        tasks = self._begin_discovery()
        await parts.registry.start()
        tasks.append(asyncio.ensure_future(runner.run()))
        tasks.append(asyncio.ensure_future(parts.registrations.forget_silent(SILENT_S)))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await parts.registry.stop()
            await client.close()
            await parts.database.close()

    def _begin_discovery(self) -> list[asyncio.Task[None]]:
        followers = []
        for address in self._addresses:
            if address.is_dns:
                follower = DnsFollower(self.registry, address, self.settings.resolve_interval_s)
                followers.append(asyncio.ensure_future(follower.follow()))
            else:
                self.registry.add_replica(address.service, address.url)
        return followers

    def _layered(self, app: AsgiApp) -> AsgiApp:
        return RequestLayer(
            app, metrics=self.parts.metrics.http, limits={}, default_limits=CONTROL_LIMITS
        )


def _options(settings: GatewaySettings) -> DataPlaneOptions:
    store = StoreLimits(
        settings.replay_memory_bytes, settings.replay_spool_bytes, settings.spool_dir
    )
    return DataPlaneOptions(access_log=settings.access_log, store=store)


def _job_runner(parts: Parts, attempts: Attempts, client: UpstreamClient) -> JobRunner:
    settings = parts.settings
    return JobRunner(
        parts.job_store,
        parts.job_files,
        parts.registry,
        attempts,
        parts.admission,
        client,
        RunnerOptions(settings.jobs_per_service, settings.job_ttl_s, parts.token),
    )


def _control_scope(path: str) -> str | None:
    """Scope for a path of the control plane; listings take any key."""
    if path == "/metrics":
        return "metrics"
    return "jobs" if path.startswith("/v1/jobs") else None


def build(settings: GatewaySettings | None = None) -> Gateway:
    """The gateway with the given settings, or with those of the environment.

    Raises:
        SettingsError: a setting is bad, or the gateway would be open to other machines.
    """
    settings = settings or GatewaySettings.from_environment()
    _check_exposure(settings)
    return Gateway(settings)


def _check_exposure(settings: GatewaySettings) -> None:
    exposed = [host for host in (settings.host, settings.admin_host) if not is_loopback(host)]
    if not exposed or settings.api_key is not None:
        return
    with contextlib.closing(connect(settings.state_dir / DATABASE_FILE)) as database:
        has_keys = key_store.has_any(database)
    if not has_keys:
        raise SettingsError(
            f"{exposed[0]} can be reached from other machines: make a key first with "
            "'python -m gateway.keys create NAME', or set GATEWAY_API_KEY"
        )
