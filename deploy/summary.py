"""What a user needs to know once the system stands."""

import contextlib

import httpx

from deploy.example import first_request
from deploy.system import System
from deploy.table import table


async def summary(system: System, client: httpx.AsyncClient) -> str:
    """Addresses, what is missing, and a first request for each service that is ready."""
    rows = [member.row for member in system.members]
    waiting = sum(row.state != "ready" for row in rows)
    head = f"Gantry is ready on {system.url}"
    if waiting:
        head = f"Gantry is up on {system.url}; {waiting} of {len(rows)} are not ready"
    lines = ["", head, "", table(rows), "", f"Documentation of every path: {system.url}/docs"]
    examples = await _first_requests(system, client)
    if examples:
        lines += ["A first request:", *(f"  {example}" for example in examples)]
    return "\n".join([*lines, ""])


async def _first_requests(system: System, client: httpx.AsyncClient) -> list[str]:
    lines = []
    headers = {"x-internal-token": system.token}
    for member in system.members:
        if member.service is None or not member.health.is_ready:
            continue
        with contextlib.suppress(httpx.HTTPError, ValueError):
            answer = await client.get(f"{member.unit.url}/info", headers=headers)
            if (line := first_request(answer.json(), system.url)) is not None:
                lines.append(line)
    return lines
