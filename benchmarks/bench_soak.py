"""Memory over time under mixed load: ``make bench-soak ARGS="--minutes 20"``.

Services run side by side, each asked by clients of its own for pictures of all sizes, with one in
ten damaged. The memory of each service's process and of its children (engines, decoders) is read
every few seconds. What counts is the slope of the second half, when caches have filled, by an
estimator that outliers do not move (``shared.gpu.growth``); an engine that still grows is replaced
by the service itself, which is counted here and loses no request.
"""

import argparse
import json
import os
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from benchmarks.places import RESULTS
from benchmarks.samples import mixed_pictures
from benchmarks.serving import Served, ask, serving
from shared.benchmark import machine_facts
from shared.gpu.growth import theil_sen_slope

REQUESTS_UNIT = 100_000
PARTS = ("service", "children")


@dataclass(frozen=True)
class Reading:
    """Memory at one moment."""

    after_s: float
    requests: int
    service_bytes: int
    children_bytes: int


@dataclass
class Soak:
    """One service under load."""

    served: Served
    clients: int
    readings: list[Reading] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)  # answers that should have been others
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, seed: int, until: float) -> None:
        """One client's requests."""
        samples = mixed_pictures(self.served.service, seed=seed)
        with httpx.Client(timeout=300) as client:
            while time.monotonic() < until:
                sample = next(samples)
                try:
                    status = ask(client, self.served.url, sample).status_code
                except httpx.TransportError as error:
                    status, fault = 0, f"{sample.name}: {error}"
                else:
                    fault = f"{sample.name}: {status}"
                is_right = 400 <= status < 500 if sample.is_bad else status == 200
                with self._lock:
                    self.statuses[status] += 1
                    if not is_right:
                        self.wrong.append(fault)

    def read(self, after_s: float) -> None:
        """Note the memory now."""
        service, children = self.served.memory_bytes()
        self.readings.append(Reading(after_s, sum(self.statuses.values()), service, children))

    def result(self) -> dict[str, Any]:
        """Figures of this service."""
        return {
            "requests": sum(self.statuses.values()),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "wrong_answers": len(self.wrong),
            "wrong_examples": self.wrong[:5],
            "engine_restarts": self.served.counted("gantry_engine_restarts_total"),
            "memory_cleanups": self.served.counted("gantry_memory_cleanups_total"),
            **{part: judge(self.readings, part) for part in PARTS},
            "readings": [list(asdict(each).values()) for each in self.readings],
        }


def judge(readings: Sequence[Reading], part: str) -> dict[str, float]:
    """Slope of the second half, beside how much the readings scatter around it."""
    half = readings[len(readings) // 2 :]
    points = [(float(each.requests), float(getattr(each, f"{part}_bytes"))) for each in half]
    slope = theil_sen_slope(points)
    offset = statistics.median(y - slope * x for x, y in points)
    scatter = statistics.median(abs(y - slope * x - offset) for x, y in points)
    mib = 2**20
    return {
        "start_mib": round(getattr(readings[0], f"{part}_bytes") / mib, 1),
        "half_mib": round(points[0][1] / mib, 1),
        "end_mib": round(points[-1][1] / mib, 1),
        "slope_mib_per_100k_requests": round(slope * REQUESTS_UNIT / mib, 1),
        "growth_of_second_half_mib": round(slope * (points[-1][0] - points[0][0]) / mib, 1),
        "scatter_mib": round(scatter / mib, 1),
    }


def main(argv: Sequence[str]) -> int:
    """Soak the services and write the report; 1 when an answer was wrong."""
    parser = argparse.ArgumentParser(prog="make bench-soak", description=__doc__.splitlines()[0])
    parser.add_argument("--services", nargs="+", default=["ocr", "yolo"], choices=["ocr", "yolo"])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--clients", type=int, default=1, help="of each service")
    parser.add_argument("--every-s", type=float, default=2.0, help="between two readings")
    parser.add_argument("--output", type=Path, default=RESULTS / "soak.json")
    chosen = parser.parse_args(argv)
    began, load = datetime.now(UTC), os.getloadavg()[0]
    with ExitStack() as stack:
        soaks = [
            Soak(stack.enter_context(serving(name, settings_of(name))),
                 chosen.clients)
            for name in chosen.services
        ]  # fmt: skip
        drive(soaks, chosen.minutes * 60, chosen.every_s)
        report = {
            "measured_at": began.isoformat(timespec="seconds"),
            "machine": machine_facts(),
            "load_before": round(load, 1),
            "minutes": chosen.minutes,
            "clients": chosen.clients,
            "services": {each.served.service: each.result() for each in soaks},
        }
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text(json.dumps(report) + "\n")
    chosen.output.with_suffix(".md").write_text(markdown(report))
    plot(report, chosen.output.with_suffix(".png"))
    print(markdown(report))
    return int(any(each.wrong for each in soaks))


def settings_of(service: str) -> dict[str, str]:
    """Settings under which what grows is a leak: remembered results fill their room at once."""
    settings = {"ACCESS_LOG": "off", "CACHE_MEMORY_BYTES": str(2**20)}
    return {f"{service.upper()}_{name}": value for name, value in settings.items()}


def drive(soaks: Sequence[Soak], seconds: float, every_s: float) -> None:
    """Load all services for a time, and read their memory meanwhile."""
    begun = time.monotonic()
    threads = [
        threading.Thread(target=each.run, args=(seed, begun + seconds))
        for each in soaks
        for seed in range(each.clients)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        for each in soaks:
            each.read(round(time.monotonic() - begun, 1))
        time.sleep(every_s)


def markdown(report: dict[str, Any]) -> str:
    """The figures as a table."""
    machine = report["machine"]
    lines = [
        "# Memory under mixed load",
        "",
        f"{report['minutes']:g} minutes, {report['clients']} client(s) a service, pictures of all "
        "sizes, one in ten damaged, at most 1 MiB of remembered results; the slope is that of "
        "the second half.",
        f"{machine['processor']}, {machine['cores']} cores; load before {report['load_before']}; "
        f"{report['measured_at']}.",
        "",
        "| service | part | requests | wrong answers | engines replaced | "
        "MiB at start, half, end | growth of second half, MiB | scatter, MiB | "
        "slope, MiB per 100k requests |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, each in report["services"].items():
        for part in PARTS:
            seen = each[part]
            lines.append(
                f"| {name} | {part} | {each['requests']} | {each['wrong_answers']} | "
                f"{each['engine_restarts']:g} | {seen['start_mib']:g}, {seen['half_mib']:g}, "
                f"{seen['end_mib']:g} | {seen['growth_of_second_half_mib']:g} | "
                f"{seen['scatter_mib']:g} | {seen['slope_mib_per_100k_requests']:g} |"
            )
    return "\n".join([*lines, ""])


def plot(report: dict[str, Any], path: Path) -> None:
    """Memory over time, one panel a service."""
    from matplotlib.figure import Figure

    services = report["services"]
    figure = Figure(figsize=(8, 2.6 * len(services)), layout="constrained")
    panels = figure.subplots(len(services), squeeze=False)
    for axes, (name, each) in zip(panels[:, 0], services.items(), strict=True):
        minutes = [reading[0] / 60 for reading in each["readings"]]
        for place, part in enumerate(PARTS, start=2):
            axes.plot(minutes, [r[place] / 2**20 for r in each["readings"]], label=part)
        axes.set(title=name, ylabel="resident MiB", ylim=(0, None))
        axes.legend(fontsize=8)
    panels[-1, 0].set_xlabel("minutes")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
