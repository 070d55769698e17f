import pytest

from services.tolerance.app import build
from services.tolerance.bundle import read_bundle
from services.tolerance.data_files import (
    DEMO_MODEL_FOLDER,
    load_catalog,
)
from services.tolerance.engine import ToleranceEngine
from services.tolerance.predict import build_knowledge
from services.tolerance.settings import ToleranceSettings
from shared.standards.tables import load_iso286, load_iso2768
from shared.testing import running_app


@pytest.fixture(scope="session")
def catalog():
    return load_catalog()


@pytest.fixture(scope="session")
def tables():
    return load_iso286()


@pytest.fixture(scope="session")
def general_tables():
    return load_iso2768()


@pytest.fixture(scope="session")
def knowledge(catalog, tables):
    return build_knowledge(catalog, tables)


@pytest.fixture(scope="session")
def bundle():
    return read_bundle(DEMO_MODEL_FOLDER)


@pytest.fixture(scope="session")
def engine(bundle):
    engine = ToleranceEngine(lambda: bundle)
    engine.load()
    return engine


@pytest.fixture(scope="session")
async def client():
    """The service with its demo model, as shipped."""
    async with running_app(build(ToleranceSettings())) as client:
        yield client


@pytest.fixture(scope="session")
async def documented_client():
    """The same service without its fast route."""
    async with running_app(build(ToleranceSettings(fast_route=False))) as client:
        yield client
