"""Builds the tolerance service."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.tolerance.answering import ToleranceService
from services.tolerance.bundle import BrokenBundle, Bundle, InstalledBundle, read_bundle
from services.tolerance.cases import column_names
from services.tolerance.data_files import FOLDER, load_catalog
from services.tolerance.direct_route import DirectPredict
from services.tolerance.fast_route import FastPredict
from services.tolerance.predict import build_knowledge
from services.tolerance.routes import (
    CATALOG_PATH,
    ISO286_PATH,
    ISO2768_PATH,
    PREDICT_PATH,
    router,
)
from services.tolerance.settings import ToleranceSettings
from shared.app import PathInfo, ServiceSpec, create_app
from shared.engine import Engine
from shared.errors import ModelMissing
from shared.gpu.optimizer import GPUOptimizer
from shared.lanes import InlineLane
from shared.metrics import EngineMetrics
from shared.models.store import ModelStore
from shared.standards.tables import load_iso286, load_iso2768

NAME = "tolerance"
VERSION = "0.1.0"
QUERY_BODY_BYTES = 1024


def build(settings: ToleranceSettings | None = None, engine: Engine | None = None) -> FastAPI:
    """Build the application.

    Args:
        settings: from the environment by default.
        engine: the booster of the installed model by default.
    """
    settings = settings or ToleranceSettings.from_environment()
    registry = CollectorRegistry()
    optimizer = GPUOptimizer(settings, service=NAME)
    installed = InstalledBundle(partial(find_bundle, settings))
    host = optimizer.host(
        "predict",
        lambda _: InlineLane(lambda: engine or build_engine(settings, installed.read)),
        replace(
            optimizer.batch_limits(max_weight=settings.max_batch_rows),
            inline_below_ms=settings.inline_below_ms if settings.optimized else 0.0,
        ),
        metrics=EngineMetrics(registry),
        device="cpu" if settings.device == "auto" else None,
    )
    knowledge = build_knowledge(load_catalog(), load_iso286())
    service = ToleranceService(knowledge, installed, host)
    has_fast = settings.optimized and settings.fast_route
    has_direct = settings.optimized and settings.direct_route
    return create_app(
        ServiceSpec(
            name=NAME,
            version=VERSION,
            settings=settings,
            router=router,
            paths=_paths(settings),
            hosts=[host],
            registry=registry,
            state={"tolerance": service, "iso2768": load_iso2768()},
            shortcuts={PREDICT_PATH: partial(FastPredict, service)} if has_fast else {},
            direct={PREDICT_PATH: DirectPredict(service)} if has_direct else {},
        )
    )


def find_bundle(settings: ToleranceSettings) -> Bundle:
    """Read the model that the settings name.

    Raises:
        ModelMissing: it is not installed, damaged, or made for another catalog.
    """
    model = ModelStore(FOLDER, settings.models_dir).resolve(settings.model)
    try:
        bundle = read_bundle(model.path)
    except BrokenBundle as error:
        raise ModelMissing(f"the model {model.name} cannot be used: {error}") from error
    if bundle.columns != column_names(load_catalog()):
        raise ModelMissing(
            f"the model {model.name} was trained for another catalog; "
            "run `python -m services.tolerance.train` with its measurements again"
        )
    return bundle


def build_engine(settings: ToleranceSettings, read: Callable[[], Bundle]) -> Engine:
    """Build the engine of the model whose files ``read`` gives; nothing is loaded yet."""
    from services.tolerance.engine import ToleranceEngine  # xgboost is needed only here

    return ToleranceEngine(read, device=settings.device, threads=settings.threads)


def _paths(settings: ToleranceSettings) -> list[PathInfo]:
    queries = [
        PathInfo(path, "GET", QUERY_BODY_BYTES, settings.deadline_ms, job=False)
        for path in (ISO286_PATH, ISO2768_PATH, CATALOG_PATH)
    ]
    predict = PathInfo(PREDICT_PATH, "POST", settings.max_body_bytes, settings.deadline_ms)
    return [predict, *queries]
