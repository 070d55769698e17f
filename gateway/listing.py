"""What ``/v1/models`` and ``/v1/services`` show: plain functions over the registry's state."""

from collections.abc import Iterable
from typing import Any

from gateway.replica import Replica
from gateway.service import Service
from gateway.splits import Weights

Entry = dict[str, Any]


def models(services: Iterable[Service], created: int) -> list[Entry]:
    """One entry per model and version, in the form of OpenAI's list with members of our own.

    Args:
        services: all services.
        created: Unix time in s; OpenAI's form asks for one.

    Returns:
        Entries sorted by service; of replicas with the same model the readiest speaks.
    """
    found: dict[tuple[str, str, str], Entry] = {}
    for service in services:
        for replica in service.replicas.values():
            if replica.info is None:
                continue
            for model in replica.info.models:
                entry = _model_entry(replica, model, created)
                key = (service.name, entry["version"], entry["id"])
                if key not in found or entry["status"] in ("ready", "degraded"):
                    found[key] = entry
    return [found[key] for key in sorted(found)]


def _model_entry(replica: Replica, model: Entry, created: int) -> Entry:
    assert replica.info is not None
    own = {
        # An engine that could not load its model is listed by its own name.
        "id": model.get("id") or f"{replica.service}-{model.get('engine', 'engine')}",
        "object": "model",
        "created": created,
        "owned_by": replica.service,
        "service": replica.service,
        "version": replica.info.version,
        "device": model.get("device"),
        "demo": bool(model.get("demo", False)),
        "status": _model_status(replica, model),
    }
    return {**model, **own}


def _model_status(replica: Replica, model: Entry) -> str:
    if replica.is_ready or replica.failed_probes == 0:
        return str(model.get("status", "unknown"))
    return "unreachable"


def service_entry(service: Service, weights: Weights | None, now: float) -> Entry:
    """The live state of one service.

    Args:
        service: the service.
        weights: of its versions, if a split is in force.
        now: loop time, in s.
    """
    ready = len(service.ready_replicas)
    return {
        "name": service.name,
        "status": _service_status(service),
        "reason": None if ready else service.why_not_ready(),
        "replicas_ready": ready,
        "versions": sorted({each.version for each in service.replicas.values()} - {None}),
        "weights": dict(weights) if weights is not None else None,
        "paths": [
            {"path": offer.path, "method": offer.method}
            for offer in {(each.path, each.method): each for each in service.offers()}.values()
        ],
        "in_flight": sum(replica.in_flight for replica in service.replicas.values()),
        "replicas": [replica_entry(replica, now) for replica in service.replicas.values()],
    }


def _service_status(service: Service) -> str:
    ready = len(service.ready_replicas)
    if not ready:
        return "unavailable"
    return "ready" if ready == len(service.replicas) else "partial"


def replica_entry(replica: Replica, now: float) -> Entry:
    """The live state of one replica; ``now`` as above."""
    readiness = replica.readiness
    return {
        "id": replica.id,
        "url": replica.url,
        "version": replica.version,
        "state": replica.state.value,
        "reason": replica.reason,
        "duty": replica.duty.value,
        "ejected": not replica.outlier.is_available(now),
        "in_flight": replica.in_flight,
        "queue_items": readiness.queue.items if readiness else None,
        "predicted_wait_ms": readiness.queue.predicted_wait_ms if readiness else None,
        "memory": readiness.memory if readiness else {},
        "engines": list(readiness.engines) if readiness else [],
        "ready_for_s": (
            round(now - replica.ready_since, 1)
            if replica.is_ready and replica.ready_since is not None
            else None
        ),
    }
