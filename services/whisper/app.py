"""Puts the speech service together."""

from functools import partial
from pathlib import Path

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.whisper.incoming import Decoder
from services.whisper.metrics import SpeechMetrics
from services.whisper.recall import Recall
from services.whisper.routes import TRANSCRIPTIONS, TRANSLATIONS, router
from services.whisper.settings import WhisperSettings
from services.whisper.tasks import RECORD_TYPES
from services.whisper.transcriber import Transcriber
from shared.app import PathInfo, ServiceSpec, create_app
from shared.batching import BatchLimits
from shared.cache_settings import result_cache
from shared.cgroup import usable_cores
from shared.engine import Engine
from shared.gpu.optimizer import GPUOptimizer
from shared.lanes import Lane, ProcessLane, lanes_of
from shared.media.limits import AudioLimits
from shared.media.pool import MediaPool
from shared.metrics import EngineMetrics
from shared.worker import WorkerSpec

VERSION = "0.1.0"
SERVICE_DIR = Path(__file__).parent
MEDIA_TIMEOUT_S = 600.0
MAX_BATCH_SIZE = 128
"""Bound of a batch whose size is left to the engine."""


def build(
    settings: WhisperSettings | None = None,
    engine: Engine | None = None,
    listener: Engine | None = None,
    decoder: Decoder | None = None,
    cpu_engine: Engine | None = None,
) -> FastAPI:
    """Build the service.

    Args:
        settings: read from the environment when left out.
        engine: recognises windows in this process; by default CTranslate2 in one of its own.
        listener: hears speech in this process; by default in a process of its own.
        decoder: decodes recordings; by default a pool of processes.
        cpu_engine: takes over from ``engine`` when that cannot be loaded (tests).
    """
    settings = settings or WhisperSettings.from_environment()
    registry = CollectorRegistry()
    metrics = EngineMetrics(registry)
    optimizer = GPUOptimizer(settings, service="whisper")
    recognise = optimizer.host(
        "recognise",
        partial(recogniser_lane, settings) if engine is None else lanes_of(engine, cpu_engine),
        optimizer.batch_limits(max_batch_size=settings.max_batch_size or MAX_BATCH_SIZE),
        metrics=metrics,
    )
    listen = optimizer.host(
        "listen",
        (lambda _: listener_lane(settings)) if listener is None else lanes_of(listener),
        BatchLimits(max_batch_size=1, max_queue_items=4 * settings.max_queue_items),
        metrics=metrics,
        device="cpu",
    )
    media = MediaPool(settings.media_workers, timeout_s=MEDIA_TIMEOUT_S)
    transcriber = Transcriber(
        decoder or media,
        listen,
        recognise,
        audio_limits=AudioLimits(
            max_seconds=settings.max_audio_s, max_channels=settings.max_channels
        ),
        windows_in_flight=settings.windows_in_flight,
        metrics=SpeechMetrics(registry),
    )
    return create_app(
        ServiceSpec(
            name="whisper",
            version=VERSION,
            settings=settings,
            router=router,
            paths=[
                PathInfo(path, "POST", settings.max_body_bytes, settings.deadline_ms, stream=True)
                for path in (TRANSCRIPTIONS, TRANSLATIONS)
            ],
            hosts=[recognise, listen],
            registry=registry,
            media=media,
            state={
                "settings": settings,
                "recall": Recall(transcriber, result_cache(settings)),
                "recogniser": recognise,
            },
        )
    )


def recogniser_lane(settings: WhisperSettings, device: str) -> Lane:
    """CTranslate2 in a process of its own."""
    threads = settings.threads or usable_cores()
    spec = WorkerSpec(
        handler="services.whisper.engines.ct2:create_recogniser",
        options={
            "service_dir": str(SERVICE_DIR),
            "models_dir": str(settings.models_dir),
            "model": settings.model,
            "device": device,
            "compute_type": settings.compute_type,
            "threads": threads,
            "beam_size": settings.beam_size,
            "replicas": settings.replicas if settings.optimized else 1,
            "max_batch_size": settings.max_batch_size if settings.optimized else 1,
        },
        record_types=RECORD_TYPES,
        name="whisper-recogniser",
        environ={
            "OMP_NUM_THREADS": str(threads),
            # Threads that spin while they wait take the core from the other processes.
            "OMP_WAIT_POLICY": "passive",
            # CTranslate2's wheel holds no code for GPUs after sm_86: theirs is compiled once.
            "CUDA_CACHE_MAXSIZE": str(2 * 2**30),
            "HF_HUB_OFFLINE": "1",
        },
        log=settings.log_options,
    )
    return ProcessLane(spec, timeout_s=settings.engine_timeout_s)


def listener_lane(settings: WhisperSettings) -> Lane:
    """Voice activity and features in a process of their own."""
    spec = WorkerSpec(
        handler="services.whisper.engines.listener:create_listener",
        record_types=RECORD_TYPES,
        name="whisper-listener",
        environ={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        log=settings.log_options,
    )
    return ProcessLane(spec, timeout_s=settings.engine_timeout_s)
