"""Finds the services: what is tested here holds for every folder under ``services/``."""

from pathlib import Path

import pytest

from deploy.discover import ServiceFolder, find_services
from deploy.docs import settings_class as find_settings_class
from shared.settings import EngineSettings, HttpSettings

ROOT = Path(__file__).resolve().parents[2]
SERVICES = find_services(ROOT)


@pytest.fixture(params=SERVICES, ids=lambda each: each.name, scope="module")
def service(request) -> ServiceFolder:
    return request.param


@pytest.fixture(scope="module")
def settings_class(service) -> type[HttpSettings]:
    return find_settings_class(f"{service.module}.settings")


@pytest.fixture(scope="module")
def has_engine(settings_class) -> bool:
    """Whether the service runs a model; one that only calls others has none."""
    return issubclass(settings_class, EngineSettings)
