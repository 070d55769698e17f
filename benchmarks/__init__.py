"""Benchmarks and evaluations. No library that they import may report home."""

from shared.telemetry import forbid_telemetry

forbid_telemetry()
