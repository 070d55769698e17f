"""The gateway's application: data plane for what services offer, control plane for the rest.

It is one plain ASGI application; the server only sees this.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from prometheus_client import CollectorRegistry

from gateway import key_store
from gateway.admin import build_admin
from gateway.admission import Admission, AdmissionLimits
from gateway.aiohttp_client import AiohttpClient
from gateway.attempts import Attempts
from gateway.auth import OPEN_PATHS, Authenticator
from gateway.body_store import StoreLimits
from gateway.control_plane import build_control_plane
from gateway.data_plane import DataPlane, DataPlaneOptions
from gateway.database import DATABASE_FILE, Database, connect
from gateway.discovery import DnsFollower, parse_upstreams
from gateway.gate import AdminGate, refuse, remember
from gateway.health import ProbeOptions
from gateway.metrics import GatewayMetrics
from gateway.quotas import Quotas
from gateway.registrations import Registrations
from gateway.registry import Registry
from gateway.routing_table import Route
from gateway.same_machine import SameMachineOnly
from gateway.selection import Selector
from gateway.settings import GatewaySettings
from gateway.splits import Splits
from shared.errors import GantryError
from shared.http import (
    AsgiApp,
    Receive,
    RequestLayer,
    RouteLimits,
    Scope,
    Send,
)
from shared.settings import SettingsError, is_loopback

log = logging.getLogger(__name__)

VERSION = "0.1.0"
CONTROL_LIMITS = RouteLimits(max_body_bytes=2**20, default_deadline_ms=3_600_000)


class Gateway:
    """The whole gateway; started and stopped by the server's lifespan events."""

    def __init__(self, settings: GatewaySettings) -> None:
        """Read the addresses; nothing is opened before the lifespan begins.

        Raises:
            SettingsError: an address is malformed.
        """
        self.settings = settings
        token = settings.internal_token
        self._token = token.get_secret_value() if token else None
        self.metrics = GatewayMetrics(CollectorRegistry())
        self.registry = Registry(
            list(settings.upstreams),
            ProbeOptions(settings.probe_interval_s, settings.probe_timeout_s, self._token),
        )
        self._addresses = [
            address
            for name, value in settings.upstreams.items()
            for address in parse_upstreams(name, value)
        ]
        self._database = Database(settings.state_dir / DATABASE_FILE)
        self.splits = Splits(self._database)
        self.admission = Admission(AdmissionLimits(max_wait_s=settings.admission_wait_s))
        self._registrations = Registrations(self.registry, self._database)
        control = build_control_plane(
            self.registry, self.splits, self.admission, self.metrics, VERSION
        )
        self._control: AsgiApp = self._layered(control)
        static_key = settings.api_key.get_secret_value() if settings.api_key else None
        self._authenticator = Authenticator(
            self._database, static_key=static_key, internal_token=self._token
        )
        self.admin: AsgiApp = self._build_admin()
        self._data: DataPlane | None = None

    def _build_admin(self) -> AsgiApp:
        app = build_admin(
            self.registry, self.splits, self._registrations, self._database, token=self._token
        )
        gate = AdminGate(self._layered(app), self._authenticator)
        return SameMachineOnly(gate) if is_loopback(self.settings.admin_host) else gate

    def _layered(self, app: AsgiApp) -> RequestLayer:
        return RequestLayer(
            app, metrics=self.metrics.http, limits={}, default_limits=CONTROL_LIMITS
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI event stream."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        try:
            route = self.registry.table.find(path, scope["method"])
            if route is not None:
                remember(scope, await self._authenticator.identify(scope, _infer(route)))
            elif not OPEN_PATHS.match(path):
                remember(scope, await self._authenticator.identify(scope, _control_scope(path)))
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
        settings = self.settings
        client = AiohttpClient(
            connect_timeout_s=settings.connect_timeout_s, keepalive_s=settings.keepalive_s
        )
        selector = Selector(self.splits, settings.hold_s)
        attempts = Attempts(self.registry, client, selector, self.metrics, token=self._token)
        self._data = DataPlane(
            attempts, self.admission, Quotas(), self.metrics, _data_plane_options(settings)
        )
        await self._database.open()
        await self.splits.load()
        await self._registrations.load()
        followers = self._begin_discovery()
        await self.registry.start()
        try:
            yield
        finally:
            for follower in followers:
                follower.cancel()
            await self.registry.stop()
            await client.close()
            await self._database.close()

    def _begin_discovery(self) -> list[asyncio.Task[None]]:
        followers = []
        for address in self._addresses:
            if address.is_dns:
                follower = DnsFollower(self.registry, address, self.settings.resolve_interval_s)
                followers.append(asyncio.ensure_future(follower.follow()))
            else:
                self.registry.add_replica(address.service, address.url)
        return followers


def _data_plane_options(settings: GatewaySettings) -> DataPlaneOptions:
    store = StoreLimits(
        settings.replay_memory_bytes, settings.replay_spool_bytes, settings.spool_dir
    )
    return DataPlaneOptions(access_log=settings.access_log, store=store)


def _infer(route: Route) -> str:
    return f"infer:{route.service}"


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
