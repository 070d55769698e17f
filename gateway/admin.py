"""The admin API, on a listener of its own: replicas, traffic splits, engines.

It changes what the gateway does at run time, so it is bound to the loopback by default, asks for a
key with the scope ``admin`` as soon as keys exist, and refuses what a web page could send.
"""

import asyncio
from typing import Annotated, Any, Literal

import httpx
from fastapi import APIRouter, FastAPI, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway import key_admin, listing
from gateway.discovery import parse_upstreams
from gateway.parts import Parts
from gateway.registrations import Registrations
from gateway.registry import Registry
from gateway.replica import Duty, Replica
from gateway.service import Service
from gateway.settings import ServiceName
from gateway.splits import Split, Splits
from shared import problems
from shared.errors import BadRequest, InvalidInput, NotFound, UpstreamBroken
from shared.settings import SettingsError

router = APIRouter(prefix="/admin")

Version = Annotated[str, StringConstraints(min_length=1, max_length=64)]
ENGINE_TIMEOUT_S = 600.0


class NewReplica(BaseModel):
    """A replica to register."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=300)
    duty: Duty = Duty.ACTIVE


class SplitBody(BaseModel):
    """Weights in force."""

    weights: dict[str, float]
    action: str
    set_at: float


def build_admin(parts: Parts) -> FastAPI:
    """The application of the admin listener."""
    app = FastAPI(title="Gantry admin", openapi_url="/admin/openapi.json", docs_url=None)
    app.state.registry = parts.registry
    app.state.splits = parts.splits
    app.state.registrations = parts.registrations
    app.state.database = parts.database
    app.state.token = parts.token
    app.include_router(router)
    app.include_router(key_admin.router)
    problems.install(app)
    return app


@router.get("/services")
async def list_services(request: Request) -> list[dict[str, Any]]:
    """Show all services."""
    registry: Registry = request.app.state.registry
    return [_service_entry(request, service) for service in registry.services.values()]


@router.get("/services/{name}")
async def get_service(request: Request, name: ServiceName) -> dict[str, Any]:
    """Show one service."""
    return _service_entry(request, _service(request, name))


@router.post("/services/{name}/replicas", status_code=201)
async def register(request: Request, name: ServiceName, new: NewReplica) -> dict[str, Any]:
    """Add a replica; with ``duty`` standby it is probed but gets no traffic yet."""
    try:
        addresses = parse_upstreams(name, new.url)
    except SettingsError:
        addresses = []
    if len(addresses) != 1 or addresses[0].is_dns:
        raise InvalidInput("url: expected one address as http://host:port")
    registrations: Registrations = request.app.state.registrations
    return _replica_entry(await registrations.register(name, addresses[0].url, new.duty))


@router.get("/services/{name}/replicas/{replica_id}")
async def get_replica(request: Request, name: ServiceName, replica_id: str) -> dict[str, Any]:
    """Show one replica."""
    return _replica_entry(_replica(request, name, replica_id))


@router.delete("/services/{name}/replicas/{replica_id}", status_code=204)
async def remove(request: Request, name: ServiceName, replica_id: str) -> None:
    """Forget a replica."""
    registrations: Registrations = request.app.state.registrations
    await registrations.remove(_replica(request, name, replica_id))


@router.post("/services/{name}/replicas/{replica_id}/activate")
async def activate(request: Request, name: ServiceName, replica_id: str) -> dict[str, Any]:
    """Give a replica traffic."""
    replica = _replica(request, name, replica_id)
    registrations: Registrations = request.app.state.registrations
    await registrations.assign(replica, Duty.ACTIVE)
    return _replica_entry(replica)


@router.post("/services/{name}/replicas/{replica_id}/drain")
async def drain(
    request: Request,
    name: ServiceName,
    replica_id: str,
    wait_s: Annotated[float, Query(ge=0, le=3600)] = 0.0,
) -> dict[str, Any]:
    """Give a replica no new request; wait up to ``wait_s`` for those it has.

    ``in_flight`` in the answer tells whether it is idle; then it can be stopped.
    """
    replica = _replica(request, name, replica_id)
    registrations: Registrations = request.app.state.registrations
    await registrations.assign(replica, Duty.DRAINING)
    try:
        async with asyncio.timeout(wait_s):
            while replica.in_flight:
                await replica.idle.wait()
    except TimeoutError:
        pass
    return _replica_entry(replica)


@router.get("/services/{name}/weights")
async def get_weights(request: Request, name: ServiceName) -> list[SplitBody]:
    """Show the splits of a service, the one in force first."""
    splits: Splits = request.app.state.splits
    return [_split_body(split) for split in await splits.history(_service(request, name).name)]


@router.put("/services/{name}/weights")
async def set_weights(
    request: Request, name: ServiceName, weights: dict[Version, float]
) -> SplitBody:
    """Split the traffic over versions: ``{"1.4.2": 95, "1.5.0": 5}``; others get none."""
    if not all(0 <= weight <= 1e6 for weight in weights.values()) or not any(weights.values()):
        raise InvalidInput("weights: expected numbers from 0 to 1000000, at least one above 0")
    splits: Splits = request.app.state.splits
    service = _service(request, name)
    split = await splits.set(service.name, weights)
    service.changed.notify()
    return _split_body(split)


@router.post("/services/{name}/rollback")
async def rollback(request: Request, name: ServiceName) -> SplitBody:
    """Go back to the split before the present one, at once."""
    splits: Splits = request.app.state.splits
    service = _service(request, name)
    split = await splits.rollback(service.name)
    service.changed.notify()
    return _split_body(split)


@router.post("/services/{name}/{action}")
async def command_engines(
    request: Request, name: ServiceName, action: Literal["preload", "unload", "recycle"]
) -> dict[str, Any]:
    """Have every replica of a service load, free or replace its engines."""
    token: str | None = request.app.state.token
    if token is None:
        raise BadRequest("set GATEWAY_INTERNAL_TOKEN and the services' to use this")
    headers = {"x-internal-token": token}
    answers = {}
    async with httpx.AsyncClient(
        timeout=ENGINE_TIMEOUT_S, headers=headers, trust_env=False
    ) as client:
        for replica in list(_service(request, name).replicas.values()):
            try:
                answer = await client.post(f"{replica.url}/admin/{action}")
                answers[replica.id] = answer.json()
            except httpx.HTTPError as error:
                raise UpstreamBroken(f"replica {replica.id} could not be reached") from error
            except ValueError as error:
                raise UpstreamBroken(f"replica {replica.id} did not answer with JSON") from error
            replica.probe_now.set()
    return answers


def _service(request: Request, name: str) -> Service:
    registry: Registry = request.app.state.registry
    service = registry.services.get(name)
    if service is None:
        raise NotFound(f"there is no service {name!r}")
    return service


def _replica(request: Request, name: str, replica_id: str) -> Replica:
    registrations: Registrations = request.app.state.registrations
    return registrations.find(name, replica_id)


def _service_entry(request: Request, service: Service) -> dict[str, Any]:
    splits: Splits = request.app.state.splits
    now = asyncio.get_running_loop().time()
    return listing.service_entry(service, splits.weights(service.name), now)


def _replica_entry(replica: Replica) -> dict[str, Any]:
    return listing.replica_entry(replica, asyncio.get_running_loop().time())


def _split_body(split: Split) -> SplitBody:
    return SplitBody(weights=dict(split.weights), action=split.action, set_at=split.set_at)
