"""What a job is, and how it is shown."""

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class JobStatus(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more."""
        return self not in (JobStatus.QUEUED, JobStatus.RUNNING)


@dataclass(frozen=True)
class Progress:
    """How far the service has come; the unit of ``done`` and ``total`` is the service's."""

    stage: str | None = None
    done: float = 0.0
    total: float = 0.0

    @property
    def percent(self) -> float:
        """From 0 to 100; 0 while the total is not known."""
        return round(min(100.0, 100 * self.done / self.total), 1) if self.total > 0 else 0.0


@dataclass(frozen=True)
class Job:
    """One job; times are Unix times in s."""

    id: str
    owner: str
    service: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    input_bytes: int
    status: JobStatus
    attempt: int
    progress: Progress
    created_at: float
    deadline_at: float
    started_at: float | None
    finished_at: float | None
    result_status: int | None
    result_headers: tuple[tuple[str, str], ...]
    is_expired: bool

    def shown(self) -> dict[str, Any]:
        """The job as clients see it."""
        own = f"/v1/jobs/{self.id}"
        progress = self.progress
        return {
            "id": self.id,
            "status": self.status.value,
            "service": self.service,
            "path": self.path,
            "progress": {
                "stage": progress.stage,
                "done": progress.done,
                "total": progress.total,
                "percent": 100.0 if self.status is JobStatus.SUCCEEDED else progress.percent,
            },
            "eta_s": self._eta_s(),
            "attempts": self.attempt,
            "created_at": self.created_at,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "links": {"self": own, "events": f"{own}/events", "result": f"{own}/result"},
        }

    def _eta_s(self) -> float | None:
        percent = self.progress.percent
        if self.status is not JobStatus.RUNNING or self.started_at is None or percent <= 0:
            return None
        spent_s = time.time() - self.started_at
        return round(spent_s * (100 - percent) / percent, 1)
