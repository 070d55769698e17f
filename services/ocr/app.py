"""Build the OCR service from its settings."""

from dataclasses import asdict, dataclass
from functools import partial

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.ocr.engines.options import EngineOptions
from services.ocr.reader import CROPS_IN_FLIGHT, PageReader
from services.ocr.readings import RECORD_TYPES
from services.ocr.routes import OcrState, router
from services.ocr.settings import OcrSettings
from services.ocr.weights import SERVICE_DIR, offered_languages
from shared.app import PathInfo, ServiceSpec, create_app
from shared.cache_settings import result_cache
from shared.engine import Engine
from shared.gpu.optimizer import GPUOptimizer
from shared.lanes import Lane, ProcessLane, lanes_of
from shared.media.pool import MediaPool
from shared.metrics import EngineMetrics
from shared.models.store import ModelStore
from shared.recall import TwoStepCache
from shared.worker import WorkerSpec

VERSION = "1.0.0"
_MODULES = {"rapidocr": "services.ocr.engines.rapid", "paddleocr": "services.ocr.engines.paddle"}


@dataclass(frozen=True)
class OcrEngines:
    """The service's two engines, for tests that bring their own."""

    detector: Engine
    recogniser: Engine


def build(settings: OcrSettings | None = None, engine: OcrEngines | None = None) -> FastAPI:
    """Build the service.

    Args:
        settings: read from the environment by default.
        engine: run in this process instead of the engines that the settings name.

    Returns:
        The application; engines load once it is started.
    """
    settings = settings or OcrSettings.from_environment()
    registry = CollectorRegistry()
    metrics = EngineMetrics(registry)
    optimizer = GPUOptimizer(settings, service="ocr")
    detector = optimizer.host(
        "detect",
        partial(_lane, settings, "detector") if engine is None else lanes_of(engine.detector),
        optimizer.batch_limits(),
        metrics=metrics,
    )
    recogniser = optimizer.host(
        "recognise",
        partial(_lane, settings, "recogniser") if engine is None else lanes_of(engine.recogniser),
        # Requests are admitted at the detector; the crops of those admitted must find room here.
        optimizer.batch_limits(queue_factor=CROPS_IN_FLIGHT),
        metrics=metrics,
    )
    media = MediaPool(settings.media_workers)
    entries = ModelStore(SERVICE_DIR, settings.models_dir).entries
    reader = PageReader(detector, recogniser)
    state = OcrState(
        settings,
        reader,
        detector,
        recogniser,
        media,
        offered_languages(entries),
        TwoStepCache(result_cache(settings)),
    )
    return create_app(
        ServiceSpec(
            name="ocr",
            version=VERSION,
            settings=settings,
            router=router,
            paths=[PathInfo("/v1/ocr", "POST", settings.max_body_bytes, settings.deadline_ms)],
            hosts=[detector, recogniser],
            registry=registry,
            media=media,
            state={"ocr": state},
        )
    )


def _lane(settings: OcrSettings, kind: str, device: str) -> Lane:
    options = EngineOptions(
        model=settings.model,
        models_dir=str(settings.models_dir),
        model_dir=None if settings.model_dir is None else str(settings.model_dir),
        device=device,
        runtime=settings.runtime,
        threads=settings.threads,
    )
    spec = WorkerSpec(
        handler=f"{_MODULES[settings.engine]}:create_{kind}",
        options=asdict(options),
        record_types=RECORD_TYPES,
        name=f"ocr-{kind}",
        log=settings.log_options,
    )
    return ProcessLane(spec, timeout_s=settings.engine_timeout_s)
