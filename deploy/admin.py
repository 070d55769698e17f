"""The gateway's admin API, as far as the deploy commands need it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from deploy.errors import AdminError

REQUEST_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class ReplicaState:
    """A replica, as the gateway sees it."""

    id: str
    url: str
    state: str  # ready, not_ready, down, …
    reason: str | None
    version: str | None
    in_flight: int

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> "ReplicaState":
        """Take what is needed from the gateway's entry."""
        return cls(
            str(entry["id"]), str(entry["url"]), str(entry["state"]), entry.get("reason"),
            entry.get("version"), int(entry.get("in_flight", 0)),
        )  # fmt: skip


class GatewayAdmin:
    """Calls the admin listener of one gateway."""

    def __init__(self, client: httpx.AsyncClient, url: str, token: str) -> None:
        """Call the listener at ``url``; ``token`` is the internal token, which opens it."""
        self._client = client
        self._url = f"{url}/admin/services"
        self._headers = {"x-internal-token": token}

    async def services(self) -> list[str]:
        """Names of all services."""
        return [str(entry["name"]) for entry in await self._call("GET", "")]

    async def replicas(self, service: str) -> list[ReplicaState]:
        """Replicas of a service."""
        entry = await self._call("GET", f"/{service}")
        return [ReplicaState.read(replica) for replica in entry["replicas"]]

    async def replica(self, service: str, replica_id: str) -> ReplicaState:
        """One replica."""
        return ReplicaState.read(await self._call("GET", f"/{service}/replicas/{replica_id}"))

    async def register(self, service: str, url: str) -> ReplicaState:
        """Make a replica known; it is probed, but gets no request before ``activate``."""
        body = {"url": url, "duty": "standby"}
        return ReplicaState.read(await self._call("POST", f"/{service}/replicas", json=body))

    async def activate(self, service: str, replica_id: str) -> None:
        """Give a replica its share of the requests."""
        await self._call("POST", f"/{service}/replicas/{replica_id}/activate")

    async def drain(self, service: str, replica_id: str, wait_s: float) -> ReplicaState:
        """Give a replica no new request, and wait at most ``wait_s`` for those it has."""
        path = f"/{service}/replicas/{replica_id}/drain?wait_s={wait_s:g}"
        return ReplicaState.read(await self._call("POST", path, timeout_s=wait_s))

    async def remove(self, service: str, replica_id: str) -> None:
        """Forget a replica."""
        await self._call("DELETE", f"/{service}/replicas/{replica_id}")

    async def weights(self, service: str) -> dict[str, float] | None:
        """Share of each version; None when all replicas are treated alike."""
        weights = (await self._call("GET", f"/{service}")).get("weights")
        return dict(weights) if weights is not None else None

    async def set_weights(self, service: str, weights: Mapping[str, float]) -> None:
        """Split the requests over versions."""
        await self._call("PUT", f"/{service}/weights", json=dict(weights))

    async def _call(
        self, method: str, path: str, *, json: Mapping[str, Any] | None = None, timeout_s: float = 0
    ) -> Any:  # noqa: ANN401 - any JSON value
        try:
            answer = await self._client.request(
                method, self._url + path, json=json, headers=self._headers,
                timeout=REQUEST_TIMEOUT_S + timeout_s,
            )  # fmt: skip
        except httpx.HTTPError as error:
            raise AdminError(f"the gateway does not answer: {type(error).__name__}") from error
        if answer.is_error:
            raise AdminError(f"the gateway answered {answer.status_code}: {_detail(answer)}")
        return answer.json() if answer.content else None


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.reason_phrase
