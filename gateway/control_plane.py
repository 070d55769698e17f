"""The control plane on the public listener: state, models, metrics and documents, in FastAPI."""

import asyncio
import time
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import generate_latest

from gateway import docs, listing, openapi
from gateway.admission import Admission
from gateway.jobs import routes as jobs
from gateway.metrics import GatewayMetrics
from gateway.parts import Parts
from gateway.registry import Registry
from gateway.replica import ReplicaState
from gateway.splits import Splits
from shared import problems
from shared.errors import GantryError, NotFound, NotReady
from shared.metrics import CONTENT_TYPE

router = APIRouter()


def build_control_plane(parts: Parts, version: str) -> FastAPI:
    """The application for every path that is the gateway's own."""
    app = FastAPI(title="Gantry", version=version, openapi_url=None, docs_url=None, redoc_url=None)
    app.state.registry = parts.registry
    app.state.splits = parts.splits
    app.state.admission = parts.admission
    app.state.metrics = parts.metrics
    app.state.job_store = parts.job_store
    app.state.job_files = parts.job_files
    app.state.documents = {}
    app.state.created = int(time.time())
    app.include_router(router)
    app.include_router(jobs.router)
    app.include_router(docs.router)
    problems.install(app)
    app.add_exception_handler(404, _unknown_path)
    return app


@router.get("/livez", include_in_schema=False)
async def livez() -> dict[str, str]:
    """Say that the process runs."""
    return {"status": "ok"}


@router.get("/readyz", include_in_schema=False)
async def readyz(request: Request) -> JSONResponse:
    """Say whether any service can be reached; with ``?verbose`` which, and why others not."""
    registry: Registry = request.app.state.registry
    is_ready = any(registry.status().values())
    body: dict[str, Any] = {"ready": is_ready}
    if "verbose" in request.query_params:
        body["services"] = {
            service.name: {
                "ready": bool(service.ready_replicas),
                "reason": None if service.ready_replicas else service.why_not_ready(),
                "replicas": {
                    replica.url: {"state": replica.state.value, "reason": replica.reason}
                    for replica in service.replicas.values()
                },
            }
            for service in registry.services.values()
        }
    return JSONResponse(body, 200 if is_ready else 503, {} if is_ready else {"retry-after": "1"})


@router.get("/metrics", include_in_schema=False)
async def prometheus(request: Request) -> Response:
    """Prometheus' text format."""
    registry: Registry = request.app.state.registry
    metrics: GatewayMetrics = request.app.state.metrics
    for service in registry.services.values():
        states = [replica.state for replica in service.replicas.values()]
        for state in ReplicaState:
            metrics.replicas.labels(service.name, state.value).set(states.count(state))
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE)


@router.get("/openapi.json", include_in_schema=False)
async def document(request: Request) -> Response:
    """The OpenAPI document of the whole surface; rebuilt when a service changes its offer."""
    registry: Registry = request.app.state.registry
    documents: dict[int, Response] = request.app.state.documents
    if registry.generation not in documents:
        documents.clear()
        own = request.app.openapi()
        documents[registry.generation] = JSONResponse(
            openapi.merge(own, registry.services.values())
        )
    return documents[registry.generation]


@router.get("/v1/models", tags=["operating"])
async def list_models(request: Request) -> dict[str, Any]:
    """List all models with their service, version, device and status."""
    registry: Registry = request.app.state.registry
    created: int = request.app.state.created
    return {"object": "list", "data": listing.models(registry.services.values(), created)}


@router.get("/v1/models/{model_id}", tags=["operating"])
async def get_model(request: Request, model_id: str) -> dict[str, Any]:
    """Show one model."""
    registry: Registry = request.app.state.registry
    created: int = request.app.state.created
    for entry in listing.models(registry.services.values(), created):
        if entry["id"] == model_id:
            return entry
    raise NotFound(f"there is no model {model_id!r}; GET /v1/models lists all")


@router.get("/v1/services", tags=["operating"])
async def list_services(request: Request) -> dict[str, Any]:
    """Show each service with its replicas, versions, devices and load."""
    registry: Registry = request.app.state.registry
    now = asyncio.get_running_loop().time()
    splits: Splits = request.app.state.splits
    admission: Admission = request.app.state.admission
    return {
        "services": [
            {
                **listing.service_entry(each, splits.weights(each.name), now),
                "admission": admission.state(each.name),
            }
            for each in registry.services.values()
        ]
    }


async def _unknown_path(request: Request, _error: Exception) -> Response:
    """Refuse what nobody offers; as long as a service has not answered, the path may be its."""
    registry: Registry = request.app.state.registry
    unanswered, path = sorted(registry.unanswered()), request.url.path
    shown: GantryError = NotFound(f"there is no path {path}; GET /openapi.json lists all")
    if unanswered and path.startswith("/v1/"):
        shown = NotReady(
            f"nobody offers {path} yet; not heard from so far: {', '.join(unanswered)}",
            retry_after_s=2,
        )
    return await problems.answer_error(request, shown)
