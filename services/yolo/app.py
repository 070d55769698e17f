"""Build the yolo service."""

from functools import partial

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.yolo.detection import Detector
from services.yolo.found import RECORD_TYPES
from services.yolo.routes import router
from services.yolo.settings import YoloSettings
from shared.app import PathInfo, ServiceSpec, create_app
from shared.cache_settings import result_cache
from shared.engine import Engine
from shared.gpu.optimizer import GPUOptimizer
from shared.lanes import Lane, ProcessLane, lanes_of
from shared.media.limits import ImageLimits
from shared.media.pool import MediaPool
from shared.metrics import EngineMetrics
from shared.recall import TwoStepCache
from shared.worker import WorkerSpec

VERSION = "1.0.0"

USUAL_CANVAS_PX = 640 * 640
"""Pixels of the canvas that ``max_batch_size`` is meant for; of larger ones fewer make a batch."""

LARGEST_BATCH = 32
"""Bound of a batch whose size is left to the engine's probe."""

LIBRARY_ENVIRON = {
    "YOLO_OFFLINE": "1",  # no look-up of the hub, no update check, no analytics
    "YOLO_AUTOINSTALL": "0",  # never pip from inside
    "YOLO_VERBOSE": "0",
    "ULTRALYTICS_SAFE_LOAD": "1",  # checkpoints load with torch's weights_only
}
"""Set for the engine's process before anything is imported there."""


def build(
    settings: YoloSettings | None = None,
    engine: Engine | None = None,
    cpu_engine: Engine | None = None,
) -> FastAPI:
    """The application of the service.

    Args:
        settings: read from the environment by default.
        engine: runs in this process instead of the one that the settings describe (tests).
        cpu_engine: takes over from ``engine`` when that cannot be loaded (tests).
    """
    settings = settings or YoloSettings.from_environment()
    registry = CollectorRegistry()
    most = settings.max_batch_size or LARGEST_BATCH
    optimizer = GPUOptimizer(settings, service="yolo")
    host = optimizer.host(
        "detect",
        partial(_lane, settings) if engine is None else lanes_of(engine, cpu_engine),
        optimizer.batch_limits(max_batch_size=most, max_weight=most * float(USUAL_CANVAS_PX)),
        metrics=EngineMetrics(registry),
    )
    media = MediaPool()
    detector = Detector(
        host,
        media,
        ImageLimits(settings.max_pixels),
        max_image_size=settings.max_image_size,
        max_tiles=settings.max_tiles,
        recall=TwoStepCache(result_cache(settings)),
    )
    path = PathInfo("/v1/detect", "POST", settings.max_body_bytes, settings.deadline_ms)
    return create_app(
        ServiceSpec(
            name="yolo",
            version=VERSION,
            settings=settings,
            router=router,
            paths=[path],
            hosts=[host],
            registry=registry,
            media=media,
            state={"detector": detector, "settings": settings},
        )
    )


def _lane(settings: YoloSettings, device: str) -> Lane:
    return ProcessLane(
        WorkerSpec(
            handler="services.yolo.engine:create_engine",
            options={
                "models_dir": str(settings.models_dir),
                "model": settings.model,
                "engine": settings.engine,
                "device": device,
                "threads": settings.threads,
                "exact": settings.exact,
                "probe_batches": settings.max_batch_size == 0,
            },
            record_types=RECORD_TYPES,
            name="yolo",
            environ=LIBRARY_ENVIRON,
            log=settings.log_options,
        ),
        timeout_s=settings.engine_timeout_s,
    )
