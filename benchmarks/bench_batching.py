"""Serving beside LitServe, BentoML, Mosec and plain FastAPI: rates, and what faults do.

The same model file, validation and answer everywhere (``benchmarks/batching/work.py``); each peer
is tuned by the sweep below. Servers take turns in shuffled order; one that
polls while idle is held still meanwhile. Needs wrk (``make deps``); the peers are installed into
``var/bench-venv``, or found where GANTRY_BENCH_VENV says. Ratios are what repeats.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from benchmarks import places
from benchmarks.batching.faults import run_faults
from benchmarks.batching.launch import Target, peers_python, running, wait_until_ready
from benchmarks.batching.load import drive
from benchmarks.batching.options import ServerOptions
from benchmarks.batching.report import markdown, plot
from benchmarks.batching.tolerance_items import tolerance_items
from shared.benchmark import machine_facts

RESULTS = places.RESULTS / "batching"
PEERS = ("litserve", "bentoml", "mosec")
Setting = tuple[int, float]  # largest batch, wait in ms (BentoML: its latency limit)
TWO_PROCESSES: dict[str, Sequence[Setting]] = {"mosec": ((16, 1), (64, 1), (64, 2))}
"""The fastest peer is also tuned and compared at two worker processes."""
SWEEP: dict[str, dict[str, Sequence[Setting]]] = {  # the first of each is the peer's default
    "tolerance": {
        "litserve": ((1, 0), (16, 1), (64, 1), (64, 5)),
        "bentoml": ((100, 60_000), (16, 1000), (64, 1000), (64, 10_000)),
        "mosec": ((1, 0), (16, 1), (64, 1), (64, 2)),
    },
    "device": {
        "litserve": ((1, 0), (16, 2), (32, 2), (32, 10)),
        "bentoml": ((100, 60_000), (16, 1000), (32, 1000), (32, 10_000)),
        "mosec": ((1, 0), (16, 2), (32, 2), (32, 10)),
    },
}
UNEQUAL_WEIGHTS = (1, 1, 1, 1, 2, 4, 8, 16)
SWEEP_SECONDS = 2
Golden = Mapping[bytes, bytes]
Samples = dict[str, list[dict[str, Any]]]


def device_items(weights: Sequence[float]) -> Golden:
    """32 items of the simulated device."""
    items = {}
    for number in range(32):
        item = {"id": f"i{number}", "weight": weights[number % len(weights)], "kind": "good"}
        items[json.dumps(item).encode()] = json.dumps({"id": f"i{number}"}).encode()
    return items


def start_all(
    stack: ExitStack, chosen: Mapping[str, ServerOptions], golden: Golden
) -> dict[str, Target]:
    """Start servers side by side, warm each, and hold still those that poll."""
    targets = {name: stack.enter_context(running(name, chosen[name])) for name in chosen}
    for each in targets.values():
        wait_until_ready(each)
        drive(each, golden, clients=32, seconds=1)
    for each in targets.values():
        each.hold(True)
    return targets


def measure_one(target: Target, golden: Golden, clients: int, seconds: int) -> dict[str, Any]:
    """Load one server while the others are idle."""
    target.hold(False)
    try:
        wait_until_ready(target)
        return asdict(drive(target, golden, clients=clients, seconds=seconds))
    finally:
        target.hold(True)


def sweep(
    work: str, golden: Golden, settings: Mapping[str, Sequence[Setting]], *, workers: int = 1
) -> list[dict[str, Any]]:
    """Measure every declared setting of every peer, and mark the best."""
    rows: list[dict[str, Any]] = []
    for number in range(max(map(len, settings.values()))):
        chosen = {
            name: _options(work, own[number], workers)
            for name, own in settings.items()
            if number < len(own)
        }
        with ExitStack() as stack:
            for name, target in start_all(stack, chosen, golden).items():
                found = measure_one(target, golden, 32, SWEEP_SECONDS)
                setting = {
                    "max_batch": chosen[name].max_batch,
                    "wait_ms": chosen[name].wait_ms,
                    "workers": workers,
                    "is_default": not number and workers == 1,
                }
                rows.append({"work": work, "server": name, **setting, **found})
    for name in settings:
        own_rows = [row for row in rows if row["server"] == name]
        best = max(own_rows, key=lambda row: row["requests_per_s"])
        for row in own_rows:
            row["best"] = row is best
    return rows


def best_settings(work: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, ServerOptions]:
    """The best setting of each peer."""
    return {
        row["server"]: _options(work, (row["max_batch"], row["wait_ms"]), row["workers"])
        for row in rows
        if row["best"]
    }


def compare(
    targets: Mapping[str, Target], golden: Golden, clients: int, arguments: argparse.Namespace
) -> Samples:
    """Repeat the load on all servers, in a new order each time."""
    samples: Samples = {name: [] for name in targets}
    for _ in range(arguments.repeats):
        for name in random.sample(list(targets), len(targets)):
            samples[name].append(measure_one(targets[name], golden, clients, arguments.seconds))
            print(f"{clients} clients, {name}: {samples[name][-1]}", file=sys.stderr)
    return samples


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """All loads and faults."""
    loads: dict[str, Samples] = {}
    rows: list[dict[str, Any]] = []
    one_row, equal = tolerance_items(), device_items((1,))
    rows += sweep("tolerance", one_row, SWEEP["tolerance"])
    with ExitStack() as stack:
        plain = {name: ServerOptions() for name in ("gantry", "fastapi", "look-up")}
        targets = start_all(stack, {**plain, **best_settings("tolerance", rows)}, one_row)
        for clients in (32, 1):
            title = f"(a) one XGBoost row, {clients} client(s)"
            loads[title] = compare(targets, one_row, clients, arguments)
    doubled = sweep("tolerance", one_row, TWO_PROCESSES, workers=2)
    with ExitStack() as stack:
        chosen = {"gantry": ServerOptions(workers=2), **best_settings("tolerance", doubled)}
        title = "(a) one XGBoost row, 32 client(s), two processes each"
        loads[title] = compare(start_all(stack, chosen, one_row), one_row, 32, arguments)
    rows += doubled
    rows += sweep("device", equal, SWEEP["device"])
    with ExitStack() as stack:
        plain = {name: _options("device", (32, 0)) for name in ("gantry", "fastapi")}
        plain["gantry, unbatched"] = replace(plain["gantry"], max_batch=1)
        best = best_settings("device", [row for row in rows if row["work"] == "device"])
        targets = start_all(stack, {**plain, **best}, equal)
        for clients in (32, 1):
            title = f"(b) simulated device, 8 ms + 1 ms an item, {clients} client(s)"
            loads[title] = compare(targets, equal, clients, arguments)
        title = "(c) simulated device, items of 1 to 16 ms, 32 client(s)"
        loads[title] = compare(targets, device_items(UNEQUAL_WEIGHTS), 32, arguments)
    return {"loads": loads, "sweep": rows}


def measure_faults() -> dict[str, Any]:
    """The fault bench; the peers wait 5 ms for a fuller batch, BentoML up to the patience."""
    waits_ms = {"gantry": 0, "litserve": 5, "bentoml": 4000, "mosec": 5}
    faults = {}
    for name, wait_ms in waits_ms.items():
        found = run_faults(name, wait_ms=wait_ms)
        faults[name] = {fault: asdict(result) for fault, result in found.items()}
        print(name, faults[name], file=sys.stderr)
    return faults


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--only", choices=("loads", "faults"), help="keep the other part as stored")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers are ended too
    report: dict[str, Any] = {"loads": {}, "sweep": [], "faults": {}}
    stored = RESULTS / "batching.json"
    if arguments.only and stored.exists():
        report = json.loads(stored.read_text())
    if arguments.only != "faults":
        report |= _circumstances(arguments)
        report |= measure(arguments)
        report["load_after"] = round(os.getloadavg()[0], 1)
    if arguments.only != "loads":
        report["faults"] = measure_faults()
    RESULTS.mkdir(parents=True, exist_ok=True)
    stored.write_text(json.dumps(report, indent=1) + "\n")
    (RESULTS / "batching.md").write_text(markdown(report))
    plot(report, RESULTS / "batching.png")
    print(markdown(report))


def _circumstances(arguments: argparse.Namespace) -> dict[str, Any]:
    names = ("litserve", "bentoml", "mosec", "fastapi", "uvicorn", "xgboost-cpu")
    script = f"from importlib.metadata import version as v; print([v(n) for n in {names}])"
    shown = subprocess.run(
        [peers_python(), "-c", script], check=True, capture_output=True, text=True
    ).stdout.strip("[]\n")
    return {
        "machine": machine_facts(),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": dict(zip(names, shown.replace("'", "").split(", "), strict=True)),
        "repeats": arguments.repeats,
        "seconds": arguments.seconds,
        "load_before": round(os.getloadavg()[0], 1),
    }


def _options(work: str, setting: Setting, workers: int = 1) -> ServerOptions:
    return ServerOptions(work=work, max_batch=setting[0], wait_ms=setting[1], workers=workers)


if __name__ == "__main__":
    main()
