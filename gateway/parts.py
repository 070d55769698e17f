"""The parts of the gateway that hold state, made once and handed to both planes."""

import uuid
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from gateway.admission import Admission, AdmissionLimits
from gateway.auth import Authenticator
from gateway.database import DATABASE_FILE, Database
from gateway.health import ProbeOptions
from gateway.jobs.files import JobFiles
from gateway.jobs.store import JobStore
from gateway.metrics import GatewayMetrics
from gateway.quotas import Quotas
from gateway.registrations import Registrations
from gateway.registry import Registry
from gateway.settings import GatewaySettings
from gateway.splits import Splits


@dataclass(frozen=True)
class Parts:
    """State in memory and on disk; none of it needs an event loop to be made."""

    settings: GatewaySettings
    token: str | None  # what the services ask for
    metrics: GatewayMetrics
    registry: Registry
    database: Database
    splits: Splits
    registrations: Registrations
    authenticator: Authenticator
    admission: Admission
    quotas: Quotas
    job_store: JobStore
    job_files: JobFiles


def make_parts(settings: GatewaySettings) -> Parts:
    """Make all parts; nothing is opened yet."""
    token = settings.internal_token.get_secret_value() if settings.internal_token else None
    static_key = settings.api_key.get_secret_value() if settings.api_key else None
    registry = Registry(
        list(settings.upstreams),
        ProbeOptions(settings.probe_interval_s, settings.probe_timeout_s, token),
    )
    database = Database(settings.state_dir / DATABASE_FILE)
    return Parts(
        settings=settings,
        token=token,
        metrics=GatewayMetrics(CollectorRegistry()),
        registry=registry,
        database=database,
        splits=Splits(database),
        registrations=Registrations(registry, database),
        authenticator=Authenticator(database, static_key=static_key, internal_token=token),
        admission=Admission(AdmissionLimits(max_wait_s=settings.admission_wait_s)),
        quotas=Quotas(),
        job_store=JobStore(database, uuid.uuid4().hex, settings.job_lease_s),
        job_files=JobFiles(settings.state_dir / "jobs"),
    )
