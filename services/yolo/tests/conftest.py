import io

import httpx
import pytest
from PIL import Image

from services.yolo.app import LIBRARY_ENVIRON, build
from services.yolo.engine import SERVICE_DIR, YoloEngine
from services.yolo.engines.choice import EngineOptions
from services.yolo.settings import YoloSettings
from services.yolo.tests.grid_model import paint_cells, save_grid_model
from shared.models.store import ModelStore
from shared.testing import running_app


@pytest.fixture(scope="session", autouse=True)
def _quiet_ultralytics(tmp_path_factory):
    """Libraries in this process behave as in the engine's own: offline, loading no code."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in LIBRARY_ENVIRON.items():
            environment.setenv(name, value)
        environment.setenv("YOLO_CONFIG_DIR", str(tmp_path_factory.mktemp("ultralytics")))
        yield


@pytest.fixture(scope="session")
def grid_model(tmp_path_factory):
    """Weights of the grid detector, free batch and shape, 128 px."""
    return save_grid_model(tmp_path_factory.mktemp("weights") / "grid.onnx")


@pytest.fixture
def engine_of(tmp_path):
    """Loads an engine for a path or name, in this process."""

    def load(model, **options):
        engine = YoloEngine(ModelStore(SERVICE_DIR, tmp_path), str(model), EngineOptions(**options))
        return engine, engine.load()

    return load


@pytest.fixture(scope="session")
async def service(grid_model, tmp_path_factory) -> httpx.AsyncClient:
    """A client of the service with the grid detector, on ONNX Runtime in this process."""
    store = ModelStore(SERVICE_DIR, tmp_path_factory.mktemp("models"))
    settings = YoloSettings(max_images=8, max_pixels=1_000_000, max_image_size=512)
    engine = YoloEngine(store, str(grid_model), EngineOptions(engine="onnxruntime", device="cpu"))
    async with running_app(build(settings, engine)) as client:
        yield client


@pytest.fixture(scope="session")
def png():
    """Encodes a picture of coloured cells as PNG."""

    def encode(width, height, cells):
        return as_png(paint_cells(width, height, cells))

    return encode


def as_png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
