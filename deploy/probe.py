"""Ask a running unit whether it is ready, and if not, why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

PROBE_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Health:
    """What a unit says of itself."""

    is_ready: bool
    is_settled: bool  # waiting longer changes nothing by itself: ready, or something is missing
    detail: str = ""  # model and device, or the reason


STARTING = Health(is_ready=False, is_settled=False, detail="starting")


async def probe(client: httpx.AsyncClient, url: str) -> Health:
    """Read ``/readyz`` of the unit at ``url``; a unit that does not answer is starting."""
    try:
        answer = await client.get(f"{url}/readyz", timeout=PROBE_TIMEOUT_S)
        body = answer.json()
    except (httpx.HTTPError, ValueError):
        return STARTING
    if not isinstance(body, Mapping):
        return STARTING
    return read_health(body, is_ready=answer.status_code == 200)


async def seen_ready(client: httpx.AsyncClient, gateway_url: str) -> set[str] | None:
    """Addresses of the replicas that the gateway itself sees ready; None if it does not tell."""
    try:
        answer = await client.get(f"{gateway_url}/readyz?verbose", timeout=PROBE_TIMEOUT_S)
        return {
            url
            for service in answer.json()["services"].values()
            for url, replica in service["replicas"].items()
            if replica["state"] == "ready"
        }
    except (httpx.HTTPError, ValueError, LookupError, TypeError, AttributeError):
        return None


def read_health(body: Mapping[str, Any], *, is_ready: bool) -> Health:
    """Read the body of ``/readyz``, of a service or of the gateway."""
    engines = [engine for engine in body.get("engines") or () if isinstance(engine, Mapping)]
    if is_ready:
        loaded = {f"{engine.get('model')} on {engine.get('device')}" for engine in engines}
        notes = {str(engine["reason"]) for engine in engines if engine.get("reason")}
        return Health(True, True, "; ".join([", ".join(sorted(loaded)), *sorted(notes)]))
    failed = [engine for engine in engines if engine.get("phase") == "failed"]
    if failed:
        reasons = sorted({str(engine.get("reason") or "failed") for engine in failed})
        return Health(False, True, "; ".join(reasons))
    return Health(False, False, "loading")
