"""What the gateway counts besides what every process counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from gateway.routing_table import Route
from shared.metrics import BulkCounter, BulkHistogram, HttpMetrics

OVERHEAD_BUCKETS_S = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)


class GatewayMetrics:
    """Counters of the data plane."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics in ``registry``."""
        self.registry = registry
        self.http = HttpMetrics(registry)
        self.attempts = BulkCounter(
            "gantry_upstream_attempts_total",
            "Attempts at services: ok, refused, lost, hung or busy.",
            ["service", "outcome"],
            registry=registry,
        )
        self.overhead = BulkHistogram(
            "gantry_gateway_overhead_seconds",
            "Time of a request that was not spent waiting for a service.",
            ["service"],
            buckets=OVERHEAD_BUCKETS_S,
            registry=registry,
        )
        self.direct = BulkCounter(
            "gantry_direct_requests_total",
            "Requests that were sent on without a task: answered so, handed over, or left.",
            ["end"],
            registry=registry,
        )
        self._attempts_by: dict[tuple[str, str], BulkCounter] = {}
        self._requests_by: dict[tuple[str, str, int], BulkCounter] = {}
        self._times_by: dict[tuple[str, str], tuple[BulkHistogram, BulkHistogram]] = {}
        self.replicas = Gauge(
            "gantry_replicas", "Replicas by state.", ["service", "state"], registry=registry
        )
        self.disconnects = Counter(
            "gantry_client_disconnects_total",
            "Clients that left before their answer was complete.",
            ["service"],
            registry=registry,
        )

    # Looking a labelled child up costs more than counting, so the hot path keeps them.

    def count_attempt(self, service: str, outcome: str) -> None:
        """Count one attempt."""
        counter = self._attempts_by.get((service, outcome))
        if counter is None:
            counter = self.attempts.labels(service, outcome)
            self._attempts_by[service, outcome] = counter
        counter.note()

    def count_request(self, route: Route, status: int, age_s: float, overhead_s: float) -> None:
        """Count one answered request with its whole time and our own share of it."""
        path, method = route.offer.path, route.offer.method
        counter = self._requests_by.get((path, method, status))
        if counter is None:
            counter = self.http.requests.labels(path, method, str(status))
            self._requests_by[path, method, status] = counter
        counter.note()
        times = self._times_by.get((path, route.service))
        if times is None:
            times = self.http.duration.labels(path), self.overhead.labels(route.service)
            self._times_by[path, route.service] = times
        times[0].note(age_s)
        times[1].note(overhead_s)
