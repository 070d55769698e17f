"""Which step takes which share of a request's time, and how much memory: ``make bench-steps``.

Each service is started as it comes and asked, one request at a time, for content that it has never
seen. Steps are those of its ``Server-Timing`` header; ``elsewhere`` is what it does not tell of:
HTTP, the client, waiting for a core. Memory is the peak of the service with its children.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx

from benchmarks.places import RESULTS
from benchmarks.samples import PATHS, varied
from benchmarks.serving import Served, ask, server_timing, serving
from shared.benchmark import PerformanceBenchmarker, Report, Rounds, Subject
from shared.benchmark_targets import ELSEWHERE

INPUTS = {
    "ocr": "a page of Korean and English, 8 bits a channel",
    "tolerance": "one part",
    "whisper": "30 s of speech",
    "yolo": "a drawing",
}


def main(argv: Sequence[str]) -> int:
    """Measure the services and write a report for each, and one picture for all."""
    parser = argparse.ArgumentParser(prog="make bench-steps", description=__doc__.splitlines()[0])
    parser.add_argument("--services", nargs="+", default=sorted(PATHS), choices=sorted(PATHS))
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(argv)
    reports = {name: measure(name, chosen.rounds) for name in chosen.services}
    for name, report in reports.items():
        report.save(RESULTS / "steps", name)
        print(report.markdown())
    plot(reports, RESULTS / "steps" / "steps.png")
    return 0


def measure(service: str, rounds: int) -> Report:
    """One service."""
    with serving(service) as served, httpx.Client(timeout=600) as client:
        models = client.get(f"{served.url}/info").json()["models"]
        subject = Subject(
            f"{service}: where the time of a request goes",
            device=", ".join(sorted({str(each["device"]) for each in models if "device" in each})),
            weights=", ".join(sorted({str(each["id"]) for each in models})),
            batch="one request at a time",
            input=INPUTS[service],
        )
        numbers = itertools.count()
        report = PerformanceBenchmarker(subject, Rounds(1, rounds)).compare(
            {service: lambda: one_request(client, served, numbers)},
            processes={service: served.process},
        )
    found = report.variants[0]
    overlap = sum(found.steps_ms.values()) / found.median_ms
    if overlap > 1.1:
        report.notes.append(
            f"Parts of a request run side by side: the steps add up to {overlap:.1f} times its "
            "duration, and a part's wait for another of the same request counts as queue."
        )
    return report


def one_request(
    client: httpx.Client, served: Served, numbers: Iterator[int]
) -> Mapping[str, float]:
    """Send something new; gives the steps in ms."""
    sample = varied(served.service, next(numbers))
    started = time.perf_counter()
    answer = ask(client, served.url, sample).raise_for_status()
    duration_ms = (time.perf_counter() - started) * 1000
    if answer.headers.get("x-cache", "").startswith("hit"):
        raise RuntimeError("the service knew content that is new")
    steps = server_timing(answer)
    return {**steps, ELSEWHERE: max(0.0, duration_ms - sum(steps.values()))}


def plot(reports: Mapping[str, Report], path: Path) -> None:
    """Shares of the steps, one bar a service."""
    from matplotlib.figure import Figure

    steps = list(dict.fromkeys(s for each in reports.values() for s in each.variants[0].steps_ms))
    figure = Figure(figsize=(8, 0.6 * len(reports) + 1.4), layout="constrained")
    axes = figure.subplots()
    for row, (name, report) in enumerate(reports.items()):
        told, left = report.variants[0].steps_ms, 0.0
        total = sum(told.values()) or 1.0
        for number, step in enumerate(steps):
            share = 100 * told.get(step, 0.0) / total
            axes.barh(row, share, left=left, color=f"C{number}", label=None if row else step)
            left += share
        axes.text(1, row, f"{name}: {report.variants[0].median_ms:.1f} ms", va="center")
    axes.set(yticks=[], xlim=(0, 100), xlabel="% of the time of a request")
    axes.legend(fontsize=8, ncols=len(steps), loc="upper center", bbox_to_anchor=(0.5, 1.25))
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
