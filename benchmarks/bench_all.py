"""A bounded run of every benchmark, one after the other: ``make bench``.

Each part is the real benchmark with few rounds, in a process of its own and within a time limit, so
that the whole ends within half an hour on two cores. Its figures go to ``benchmarks/results/quick``
and do not replace those of full runs (``make bench-<part>``). What a part needs and does not find
is named; a part that fails does not stop the others.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks.places import RESULTS
from shared.benchmark import machine_facts


@dataclass(frozen=True)
class Part:
    """A benchmark, and how it is run here."""

    name: str
    arguments: str = ""
    limit_s: int = 240
    programs: tuple[str, ...] = ()  # that must be installed
    needs_data: bool = False  # reads the folder that GANTRY_TEST_DATA names


@dataclass(frozen=True)
class Outcome:
    """What became of a part."""

    name: str
    state: str  # done, failed, too slow, or left out
    seconds: float = 0.0
    said: str = ""  # why, or the end of what it wrote


PARTS = (
    Part("steps", "--rounds 3"),
    Part("cache", "--services tolerance whisper --cold 2 --hits 10 --drawn 24"),
    Part("cache", "--kills 10"),
    Part("logs", "--variants tolerance yolo"),
    Part("soak", "--minutes 1 --services yolo"),
    Part("gateway", "--rounds 1 --seconds 1 --streams 8", programs=("wrk", "nginx", "taskset")),
    Part("batching", "--repeats 1 --seconds 1", limit_s=600, programs=("wrk",)),
    Part("whisper", "--rounds 1 --clips 8 --clients 4 --long-minutes 1", limit_s=300),
    Part("yolo", "--requests 16 --soak 40", needs_data=True),
    Part("ocr", "--requests 4 --soak 10", limit_s=420, needs_data=True),
)


def main(argv: Sequence[str]) -> int:
    """Run the parts, print and write what became of them; 1 when one failed."""
    names = sorted({each.name for each in PARTS})
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=names, choices=names)
    chosen = parser.parse_args(argv)
    folder = RESULTS / "quick"
    folder.mkdir(parents=True, exist_ok=True)
    began = datetime.now(UTC).isoformat(timespec="seconds")
    outcomes = []
    for part in PARTS:
        if part.name in chosen.only:
            print(f"{part.name} {part.arguments}", flush=True)
            outcomes.append(run(part, folder))
            print(f"  {outcomes[-1].state} after {outcomes[-1].seconds:.0f} s", flush=True)
    report = {
        "measured_at": began,
        "machine": machine_facts(),
        "parts": list(map(asdict, outcomes)),
    }
    (folder / "bench.json").write_text(json.dumps(report, indent=1) + "\n")
    (folder / "bench.md").write_text(markdown(began, outcomes, folder))
    print(markdown(began, outcomes, folder))
    return int(any(each.state in ("failed", "too slow") for each in outcomes))


def run(part: Part, folder: Path) -> Outcome:
    """Run one part within its limit."""
    missing = [each for each in part.programs if shutil.which(each) is None]
    if missing:
        return Outcome(part.name, "left out", said=f"needs {', '.join(missing)}; `make deps`")
    if part.needs_data and not os.environ.get("GANTRY_TEST_DATA"):
        return Outcome(part.name, "left out", said="needs real pictures: set GANTRY_TEST_DATA")
    command = [sys.executable, "-m", f"benchmarks.bench_{part.name}", *part.arguments.split()]
    environ = {**os.environ, "GANTRY_BENCH_RESULTS": str(folder)}
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as sink:
        child = psutil.Popen(command, env=environ, stdout=sink, stderr=subprocess.STDOUT)
        try:
            state = "failed" if child.wait(part.limit_s) else "done"
        except psutil.TimeoutExpired:
            end_with_all_it_started(child)
            state = "too slow"
        sink.seek(0)
        said = sink.read()[-1500:]
    return Outcome(part.name, state, time.monotonic() - started, "" if state == "done" else said)


def end_with_all_it_started(part: psutil.Popen) -> None:
    """End a part and every server it has started."""
    started = [part, *part.children(recursive=True)]
    for each in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.terminate()
    _, alive = psutil.wait_procs(started, timeout=30)
    for each in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    psutil.wait_procs(alive, timeout=30)


def markdown(began: str, outcomes: Sequence[Outcome], folder: Path) -> str:
    """What was run, and what the parts that write Markdown found."""
    lines = ["# A bounded run of every benchmark", "", f"{began}.", ""]
    lines += ["| part | outcome | s |", "|---|---|---|"]
    for each in outcomes:
        why = f": {each.said.strip().splitlines()[-1]}" if each.said.strip() else ""
        lines.append(f"| {each.name} | {each.state}{why} | {each.seconds:.0f} |")
    pages = sorted(each for each in folder.rglob("*.md") if each.name != "bench.md")
    found = [each.read_text().replace("\n# ", "\n## ") for each in pages]
    return "\n".join([*lines, "", *(f"#{each}" if each[0] == "#" else each for each in found)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
