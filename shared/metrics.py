"""Names of the metrics that all processes share, in Prometheus' base units.

Each application owns its registry, so that several can live in one test process. Labels come from
small fixed sets: never a key, a file name or a raw path.
"""

from bisect import bisect_right
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.samples import Sample

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

LATENCY_BUCKETS_S = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
)  # fmt: skip
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
WEIGHT_BUCKETS = tuple(10.0**power for power in range(-1, 9))
SHARE_BUCKETS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0)


class BulkCounter(Counter):
    """A counter that what happens often is noted in, and counted when it is read."""

    def _metric_init(self) -> None:
        super()._metric_init()
        self._noted = 0

    def note(self) -> None:
        """Count one; as ``inc``, whose lock costs more than the rest."""
        self._noted += 1

    def _child_samples(self) -> Iterable[Sample]:
        noted, self._noted = self._noted, 0
        self.inc(noted)
        return super()._child_samples()


class BulkHistogram(Histogram):
    """A histogram that takes many values at the price of a few."""

    MOST_NOTED = 256

    def _metric_init(self) -> None:
        super()._metric_init()
        self._noted: list[float] = []

    def note(self, value: float) -> None:
        """Observe a value; as ``observe``, but sorted in together with others, or when read."""
        self._noted.append(value)
        if len(self._noted) >= self.MOST_NOTED:
            self._sort_in()

    def note_all(self, values: Iterable[float]) -> None:
        """As ``note`` of each of ``values``."""
        self._noted += values
        if len(self._noted) >= self.MOST_NOTED:
            self._sort_in()

    def _sort_in(self) -> None:
        noted, self._noted = sorted(self._noted), []
        self._sum.inc(sum(noted))
        below = 0
        for bound, bucket in zip(self._upper_bounds, self._buckets, strict=True):
            up_to = bisect_right(noted, bound, below)
            if up_to > below:
                bucket.inc(up_to - below)
                below = up_to

    def _child_samples(self) -> Iterable[Sample]:
        self._sort_in()
        return super()._child_samples()


class HttpMetrics:
    """What every process counts about the requests it answers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics in ``registry``."""
        self.registry = registry
        self.in_flight = 0  # requests being answered
        gauge = Gauge("gantry_requests_in_flight", "Requests being answered.", registry=registry)
        gauge.set_function(lambda: self.in_flight)
        self.requests = BulkCounter(
            "gantry_requests_total",
            "Requests answered.",
            ["route", "method", "status"],
            registry=registry,
        )
        self.duration = BulkHistogram(
            "gantry_request_duration_seconds",
            "Time from the first byte of a request to the last of its answer.",
            ["route"],
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )


class EngineMetrics:
    """What every service counts about its queue, batches and engine."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics in ``registry``."""
        by_name, by_reason = ["batcher"], ["batcher", "reason"]
        self.registry = registry
        self.queue_wait = self._histogram(
            "gantry_queue_wait_seconds", "Wait of an item before its batch.", LATENCY_BUCKETS_S
        )
        self.inference = self._histogram(
            "gantry_inference_seconds", "Run time of a batch, retries too.", LATENCY_BUCKETS_S
        )
        self.batch_items = self._histogram("gantry_batch_items", "Items in a batch.", BATCH_BUCKETS)
        self.batch_weight = self._histogram(
            "gantry_batch_weight", "Weight of a batch in its own unit.", WEIGHT_BUCKETS
        )
        self.pad_waste = self._histogram(
            "gantry_batch_pad_waste",
            "Share of a batch that is padding, if all its items are padded to the heaviest.",
            SHARE_BUCKETS,
        )
        self.queued = self._gauge("gantry_queue_items", "Items waiting.", by_name)
        self.shed = self._counter(
            "gantry_shed_total", "Items refused or dropped before they ran.", by_reason
        )
        self.failed = self._counter(
            "gantry_items_failed_total", "Items that got an error.", ["batcher", "code"]
        )
        self.retried_batches = self._counter(
            "gantry_batches_retried_total", "Batches run again in parts.", by_reason
        )
        self.phase = self._gauge(
            "gantry_engine_phase", "1 for the engine's phase, else 0.", ["batcher", "phase"]
        )
        self.restarts = self._counter(
            "gantry_engine_restarts_total", "Engine processes started anew.", by_reason
        )
        self.lanes = self._gauge("gantry_engine_lanes", "Engines that run side by side.", by_name)
        self.lane_probe = self._gauge(
            "gantry_lane_probe_rate",
            "Golden examples per second in the start-up probe, by number of lanes.",
            ["batcher", "lanes"],
        )
        self.engine_memory = self._gauge(
            "gantry_engine_memory_bytes", "Resident memory of the engine's process.", by_name
        )
        self.memory_share = self._gauge(
            "gantry_engine_memory_share_bytes",
            "Memory set aside for the engine on its device; 0 where no budget is kept.",
            by_name,
        )
        self.cleanups = self._counter(
            "gantry_memory_cleanups_total", "Engines asked to give back unused memory.", by_name
        )
        self.cpu_fallback = self._gauge(
            "gantry_cpu_fallback", "1 while on the CPU though a GPU was wanted.", by_name
        )

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> BulkHistogram:
        return BulkHistogram(name, text, ["batcher"], buckets=buckets, registry=self.registry)

    def _counter(self, name: str, text: str, labels: list[str]) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, labels: list[str]) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)
