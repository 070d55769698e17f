"""Memory over time under mixed load: ``make bench-soak ARGS="--minutes 20"``.

Services run side by side, each asked by clients of its own for pictures of all sizes, with one in
ten damaged. The memory of each service's process and of its children (engines, decoders) is read
every few seconds. What counts is the slope of the second half; an engine that still grows is
replaced by the service itself, which is counted here and loses no request.
"""

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from benchmarks.mixed_load import MixedLoad, Reading, growth
from benchmarks.places import RESULTS
from benchmarks.samples import mixed_pictures
from benchmarks.serving import serving
from shared.benchmark import machine_facts

REQUESTS_UNIT = 100_000
PARTS = ("service", "children")


def send_until(load: MixedLoad, seed: int, until: float) -> None:
    """One client's requests."""
    samples = mixed_pictures(load.served.service, seed=seed)
    with httpx.Client(timeout=300) as client:
        while time.monotonic() < until:
            load.send(client, next(samples))


def figures(load: MixedLoad) -> dict[str, Any]:
    """Figures of one service."""
    return {
        "requests": load.requests,
        "statuses": {str(status): count for status, count in sorted(load.statuses.items())},
        "wrong_answers": len(load.wrong),
        "wrong_examples": load.wrong[:5],
        "engine_restarts": load.served.counted("gantry_engine_restarts_total"),
        "memory_cleanups": load.served.counted("gantry_memory_cleanups_total"),
        **{part: judge(load.readings, part) for part in PARTS},
        "readings": [list(asdict(each).values()) for each in load.readings],
    }


def judge(readings: Sequence[Reading], part: str) -> dict[str, float]:
    """Slope of the second half, beside how much the readings scatter around it."""
    seen = growth([(each.requests, getattr(each, f"{part}_bytes")) for each in readings])
    return {
        "start_mib": round(seen.start, 1),
        "half_mib": round(seen.half, 1),
        "end_mib": round(seen.end, 1),
        "slope_mib_per_100k_requests": round(seen.slope * REQUESTS_UNIT, 1),
        "growth_of_second_half_mib": round(seen.second_half, 1),
        "scatter_mib": round(seen.scatter, 1),
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
        loads = [
            MixedLoad(stack.enter_context(serving(name, settings_of(name))))
            for name in chosen.services
        ]
        drive(loads, chosen.clients, chosen.minutes * 60, chosen.every_s)
        report = {
            "measured_at": began.isoformat(timespec="seconds"),
            "machine": machine_facts(),
            "load_before": round(load, 1),
            "minutes": chosen.minutes,
            "clients": chosen.clients,
            "services": {each.served.service: figures(each) for each in loads},
        }
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text(json.dumps(report) + "\n")
    chosen.output.with_suffix(".md").write_text(markdown(report))
    plot(report, chosen.output.with_suffix(".png"))
    print(markdown(report))
    return int(any(each.wrong for each in loads))


def settings_of(service: str) -> dict[str, str]:
    """Settings under which what grows is a leak: remembered results fill their room at once."""
    settings = {"ACCESS_LOG": "off", "CACHE_MEMORY_BYTES": str(2**20)}
    return {f"{service.upper()}_{name}": value for name, value in settings.items()}


def drive(loads: Sequence[MixedLoad], clients: int, seconds: float, every_s: float) -> None:
    """Load all services for a time, and read their memory meanwhile."""
    begun = time.monotonic()
    threads = [
        threading.Thread(target=send_until, args=(each, seed, begun + seconds))
        for each in loads
        for seed in range(clients)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        for each in loads:
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
