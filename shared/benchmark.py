"""``PerformanceBenchmarker``: compare variants of the same work honestly, and say where time goes.

Variants run interleaved, so that a busy machine slows all of them alike; the first rounds warm up
and do not count; what is reported are medians, 95th percentiles and the ratio of each variant to
the first with the range over rounds. Every report states machine, versions, device, weights, batch
and input. ``python -m shared.benchmark --help`` measures servers, commands and services.
"""

import contextlib
import gc
import json
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from shared.cgroup import usable_cores
from shared.gpu.device import list_gpus

Work = Callable[[], Mapping[str, float] | None]
"""One unit of work. May return its steps in ms ({"decode": 3.1, …}) for the analysis."""


@dataclass(frozen=True)
class Subject:
    """What is measured; all of it goes into the report."""

    name: str
    device: str
    weights: str
    batch: str
    input: str


@dataclass(frozen=True)
class Rounds:
    """How long is measured."""

    warm_up: int = 2
    measured: int = 10


@dataclass(frozen=True)
class VariantResult:
    """Times of one variant."""

    name: str
    times_ms: list[float]  # one a round
    peak_memory_bytes: int  # of its process with children (this one's, by default), while it ran
    steps_ms: dict[str, float]  # median by step, if the work tells them

    @property
    def median_ms(self) -> float:
        """Median time."""
        return median(self.times_ms)

    @property
    def p95_ms(self) -> float:
        """95th percentile of the times (nearest rank)."""
        return percentile(self.times_ms, 0.95)


@dataclass(frozen=True)
class Report:
    """A finished comparison."""

    subject: Subject
    machine: dict[str, Any]
    measured_at: str  # ISO 8601, UTC
    rounds: Rounds
    variants: list[VariantResult]
    notes: list[str] = field(default_factory=list)

    def speed_ups(self) -> dict[str, tuple[float, float, float]]:
        """How many times as fast as the first variant: lowest, median and highest over rounds."""
        base = self.variants[0].times_ms
        ups = {}
        for each in self.variants:
            ratios = [
                mine and first / mine for first, mine in zip(base, each.times_ms, strict=True)
            ]
            ups[each.name] = (min(ratios), median(ratios), max(ratios))
        return ups

    def markdown(self) -> str:
        """The report as Markdown: conditions, table of variants, share of each step."""
        subject, machine = self.subject, self.machine
        lines = [
            f"# {subject.name}",
            "",
            f"Device {subject.device}; weights {subject.weights}; batch {subject.batch}; "
            f"input {subject.input}.",
            f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}; "
            f"{self.measured_at}; {self.rounds.measured} rounds, {self.rounds.warm_up} to warm "
            f"up; load {machine['load']}.",
            "",
            "| variant | median ms | p95 ms | times as fast (range) | peak memory MiB |",
            "|---|---|---|---|---|",
        ]
        for each in self.variants:
            low, middle, high = self.speed_ups()[each.name]
            lines.append(
                f"| {each.name} | {each.median_ms:.2f} | {each.p95_ms:.2f} "
                f"| {middle:.2f} ({low:.2f} to {high:.2f}) | {each.peak_memory_bytes / 2**20:.0f} |"
            )
        for each in self.variants:
            if each.steps_ms:
                lines += ["", f"Where the time of {each.name} goes:", "", *_shares(each.steps_ms)]
        return "\n".join([*lines, *(["", *self.notes] if self.notes else []), ""])

    def save(self, folder: Path, name: str) -> None:
        """Write ``name``.json, .md and, where matplotlib is installed, .png into ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(asdict(self), indent=1) + "\n")
        (folder / f"{name}.md").write_text(self.markdown())
        _plot(self, folder / f"{name}.png")

    @classmethod
    def load(cls, path: Path) -> "Report":
        """Read a report back from its JSON."""
        fields = json.loads(path.read_text())
        return cls(
            **{
                **fields,
                "subject": Subject(**fields["subject"]),
                "rounds": Rounds(**fields["rounds"]),
                "variants": [VariantResult(**each) for each in fields["variants"]],
            }
        )


class PerformanceBenchmarker:
    """Runs variants interleaved and reports them side by side."""

    def __init__(
        self,
        subject: Subject,
        rounds: Rounds | None = None,
        *,
        synchronise: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Prepare.

        Args:
            subject: what is measured.
            rounds: how often.
            synchronise: waits until the device is done (``torch.cuda.synchronize`` on a GPU), since
                GPU work goes on after the call that started it has returned.
            clock: monotonic time in s.
        """
        self._subject, self._rounds = subject, rounds or Rounds()
        self._synchronise, self._clock = synchronise, clock

    def compare(
        self,
        variants: Mapping[str, Work],
        *,
        notes: Sequence[str] = (),
        processes: Mapping[str, psutil.Process] | None = None,
    ) -> Report:
        """Measure every variant; the first is the baseline of the ratios.

        Args:
            variants: the work of each, by name.
            notes: what readers should know besides.
            processes: whose memory is watched, with that of its children, where a variant's work
                is not done in this process.
        """
        times: dict[str, list[float]] = {name: [] for name in variants}
        steps: dict[str, list[Mapping[str, float]]] = {name: [] for name in variants}
        peaks = dict.fromkeys(variants, 0)
        gc.collect()
        for number in range(self._rounds.warm_up + self._rounds.measured):
            for name, work in variants.items():
                with PeakMemory((processes or {}).get(name)) as memory:
                    duration_ms, told = self._measure(work)
                if number >= self._rounds.warm_up:
                    times[name].append(duration_ms)
                    steps[name].append(told or {})
                    peaks[name] = max(peaks[name], memory.peak_bytes)
        results = [
            VariantResult(name, times[name], peaks[name], _median_steps(steps[name]))
            for name in variants
        ]
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return Report(self._subject, machine_facts(), now, self._rounds, results, list(notes))

    def _measure(self, work: Work) -> tuple[float, Mapping[str, float] | None]:
        self._synchronise()
        started = self._clock()
        told = work()
        self._synchronise()
        return (self._clock() - started) * 1000, told


class PeakMemory(AbstractContextManager["PeakMemory"]):
    """Highest resident memory of a process and its children inside the block."""

    def __init__(self, process: psutil.Process | None = None) -> None:
        """Nothing is sampled yet.

        Args:
            process: watched with its children, each 50 ms; by default this process alone, each
                5 ms.
        """
        self.peak_bytes = self.own_bytes = self.children_bytes = 0  # peaks of sum and parts
        self._process, self._is_other = process or psutil.Process(), process is not None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "PeakMemory":
        """Start sampling."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop sampling."""
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            own, children = self._resident_bytes()
            self.peak_bytes = max(self.peak_bytes, own + children)
            self.own_bytes = max(self.own_bytes, own)
            self.children_bytes = max(self.children_bytes, children)
            if self._ended.wait(0.05 if self._is_other else 0.005):
                return

    def _resident_bytes(self) -> tuple[int, int]:
        children: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):
            if self._is_other:
                children = self._process.children(recursive=True)
        return resident_bytes(self._process), sum(map(resident_bytes, children))


def resident_bytes(process: psutil.Process) -> int:
    """Resident memory; 0 once the process has ended."""
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest-rank percentile: the smallest value that at least ``share`` of all do not exceed."""
    ordered = sorted(values)
    rank = -(-len(ordered) * share // 1)
    return ordered[max(0, int(rank) - 1)]


def machine_facts(
    packages: Sequence[str] = ("torch", "onnxruntime", "ctranslate2"),
) -> dict[str, Any]:
    """What a reader must know of the machine to judge the figures."""
    versions = {}
    for name in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return {
        "processor": _processor(),
        "cores": usable_cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "gpus": [gpu.name for gpu in list_gpus()],
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "load": round(os.getloadavg()[0], 1),
        "versions": versions,
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def _median_steps(told: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for each in told for name in each)
    return {name: median([each.get(name, 0.0) for each in told]) for name in names}


def _shares(steps_ms: Mapping[str, float]) -> list[str]:
    total = sum(steps_ms.values()) or 1.0
    rows = ["| step | median ms | share |", "|---|---|---|"]
    for name, duration_ms in sorted(steps_ms.items(), key=lambda item: -item[1]):
        rows.append(f"| {name} | {duration_ms:.2f} | {duration_ms / total:.0%} |")
    return rows


def _plot(report: Report, path: Path) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError:  # pip install matplotlib; the figures themselves are in the JSON
        return
    figure = Figure(figsize=(7, 0.6 * len(report.variants) + 1.4), layout="constrained")
    axes = figure.subplots()
    names = [each.name for each in report.variants]
    axes.boxplot([each.times_ms for each in report.variants], orientation="horizontal")
    axes.set_yticks(range(1, len(names) + 1), names)
    axes.set_xlabel("ms")
    axes.set_title(report.subject.name, fontsize=10)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    from shared.benchmark_cli import main  # which imports this module

    sys.exit(main(sys.argv[1:]))
