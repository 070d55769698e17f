"""A service as the gateway sees it: its replicas, and the last it told about each version."""

from gateway.changed import Changed
from gateway.replica import Duty, Replica, ReplicaState
from gateway.service_info import OfferedPath, ServiceInfo


class Service:
    """Replicas of one service."""

    def __init__(self, name: str) -> None:
        """Know a service by name only."""
        self.name = name
        self.replicas: dict[str, Replica] = {}  # by id
        self.infos: dict[str, ServiceInfo] = {}  # by version, the newest news last
        self.changed = Changed()  # a replica came, went or changed its state

    @property
    def has_answered(self) -> bool:
        """Whether it ever told what it offers."""
        return bool(self.infos)

    @property
    def ready_replicas(self) -> list[Replica]:
        """Replicas that take work."""
        ready, active = ReplicaState.READY, Duty.ACTIVE
        return [
            replica
            for replica in self.replicas.values()
            if replica.state is ready and replica.duty is active
        ]

    def learn(self, info: ServiceInfo) -> bool:
        """Remember what a replica told.

        Returns:
            Whether the paths or the schema differ from what was known of that version.
        """
        before = self.infos.pop(info.version, None)
        self.infos[info.version] = info
        return before is None or (before.paths, before.openapi) != (info.paths, info.openapi)

    def offers(self) -> list[OfferedPath]:
        """Paths of all versions; of the same path the news of the latest comes first."""
        return [offer for info in reversed(self.infos.values()) for offer in info.paths]

    def why_not_ready(self) -> str:
        """One sentence for an error or the log."""
        if not self.replicas:
            return f"{self.name} has no replica"
        reasons = sorted({replica.reason or "" for replica in self.replicas.values()} - {""})
        return f"{self.name} is not ready: " + "; ".join(reasons)
