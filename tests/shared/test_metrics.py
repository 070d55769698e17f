import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from shared.metrics import BulkHistogram, HttpMetrics

BUCKETS = (0.1, 1.0, 10.0)


@settings(max_examples=60)
@given(st.lists(st.sampled_from([0.0, 0.05, 0.1, 0.5, 1.0, 3.0, 10.0, 11.0]), max_size=30))
def test_values_observed_together_count_like_values_observed_one_by_one(values):
    registry = CollectorRegistry()
    together = BulkHistogram("together", "", ["name"], buckets=BUCKETS, registry=registry)
    alone = BulkHistogram("alone", "", ["name"], buckets=BUCKETS, registry=registry)

    one_by_one = alone.labels("x")
    together.labels("x").note_all(values)
    for value in values:
        one_by_one.observe(value)

    def shown(name, part, **labels):
        return registry.get_sample_value(f"{name}_{part}", {"name": "x", **labels})

    assert shown("together", "sum") == pytest.approx(shown("alone", "sum"))
    for bound in ("0.1", "1.0", "10.0", "+Inf"):
        assert shown("together", "bucket", le=bound) == shown("alone", "bucket", le=bound)


@pytest.mark.parametrize("requests", [1, 255, 256, 1000])
def test_noted_requests_are_complete_whenever_they_are_read(requests):
    registry = CollectorRegistry()
    metrics = HttpMetrics(registry)
    labels = {"route": "/a", "method": "GET", "status": "200"}
    counter, duration = metrics.requests.labels(*labels.values()), metrics.duration.labels("/a")

    for reading in (1, 2):
        for _ in range(requests):
            counter.note()
            duration.note(0.002)
        metrics.in_flight += 1

        assert registry.get_sample_value("gantry_requests_total", labels) == reading * requests
        count = registry.get_sample_value("gantry_request_duration_seconds_count", {"route": "/a"})
        assert count == reading * requests
        assert registry.get_sample_value("gantry_requests_in_flight") == reading
