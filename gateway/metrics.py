"""What the gateway counts besides what every process counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared.metrics import HttpMetrics

OVERHEAD_BUCKETS_S = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)


class GatewayMetrics:
    """Counters of the data plane."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics in ``registry``."""
        self.registry = registry
        self.http = HttpMetrics(registry)
        self.attempts = Counter(
            "gantry_upstream_attempts_total",
            "Attempts at services: ok, refused, lost, hung or busy.",
            ["service", "outcome"],
            registry=registry,
        )
        self.overhead = Histogram(
            "gantry_gateway_overhead_seconds",
            "Time of a request that was not spent waiting for a service.",
            ["service"],
            buckets=OVERHEAD_BUCKETS_S,
            registry=registry,
        )
        self.replicas = Gauge(
            "gantry_replicas", "Replicas by state.", ["service", "state"], registry=registry
        )
        self.disconnects = Counter(
            "gantry_client_disconnects_total",
            "Clients that left before their answer was complete.",
            ["service"],
            registry=registry,
        )
