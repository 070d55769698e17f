"""Names of the metrics that all processes share, in Prometheus' base units.

Each application owns its registry, so that several can live in one test process. Labels come from
small fixed sets: never a key, a file name or a raw path.
"""

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

LATENCY_BUCKETS_S = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
)  # fmt: skip
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


@dataclass(frozen=True)
class HttpMetrics:
    """What every process counts about the requests it answers."""

    registry: CollectorRegistry
    requests: Counter = field(init=False)
    duration: Histogram = field(init=False)
    in_flight: Gauge = field(init=False)

    def __post_init__(self) -> None:
        """Register the metrics."""
        set_field = object.__setattr__
        set_field(
            self,
            "requests",
            Counter(
                "gantry_requests_total",
                "Requests answered.",
                ["route", "method", "status"],
                registry=self.registry,
            ),
        )
        set_field(
            self,
            "duration",
            Histogram(
                "gantry_request_duration_seconds",
                "Time from the first byte of a request to the last of its answer.",
                ["route"],
                buckets=LATENCY_BUCKETS_S,
                registry=self.registry,
            ),
        )
        set_field(
            self,
            "in_flight",
            Gauge("gantry_requests_in_flight", "Requests being answered.", registry=self.registry),
        )


class EngineMetrics:
    """What every service counts about its queue, batches and engine."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics in ``registry``."""
        label = ["batcher"]
        self.queue_wait = Histogram(
            "gantry_queue_wait_seconds", "Wait of an item before its batch started.", label,
            buckets=LATENCY_BUCKETS_S, registry=registry,
        )  # fmt: skip
        self.inference = Histogram(
            "gantry_inference_seconds", "Run time of a batch.", label,
            buckets=LATENCY_BUCKETS_S, registry=registry,
        )  # fmt: skip
        self.batch_items = Histogram(
            "gantry_batch_items",
            "Items in a batch.",
            label,
            buckets=BATCH_BUCKETS,
            registry=registry,
        )
        self.queued = Gauge("gantry_queue_items", "Items waiting.", label, registry=registry)
        self.shed = Counter(
            "gantry_shed_total", "Items refused or dropped before they ran, by reason.",
            ["batcher", "reason"], registry=registry,
        )  # fmt: skip
        self.failed = Counter(
            "gantry_items_failed_total", "Items whose run failed, by error code.",
            ["batcher", "code"], registry=registry,
        )  # fmt: skip
        self.phase = Gauge(
            "gantry_engine_phase", "1 for the phase the engine is in, else 0.",
            ["batcher", "phase"], registry=registry,
        )  # fmt: skip
        self.restarts = Counter(
            "gantry_engine_restarts_total",
            "Engine processes started anew.",
            label,
            registry=registry,
        )
        self.cpu_fallback = Gauge(
            "gantry_cpu_fallback", "1 while the engine runs on the CPU though a GPU was asked for.",
            label, registry=registry,
        )  # fmt: skip
