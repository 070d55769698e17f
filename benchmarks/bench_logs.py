"""How quiet the logs are: lines for a start and ten requests, ``make bench-logs``.

Each service is started twice and asked ten times. Loud is how its libraries and its server log by
themselves, with a line for each request (QUIET=false and ACCESS_LOG=all); quiet is the default. The
bar is 90 % fewer lines.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx

from benchmarks.places import RESULTS
from benchmarks.samples import PATHS, typical
from benchmarks.serving import ask, serving
from shared.benchmark import machine_facts

REQUESTS = 10
VARIANTS: dict[str, tuple[str, dict[str, str]]] = {
    **{service: (service, {}) for service in sorted(PATHS)},
    "ocr with paddleocr": ("ocr", {"ENGINE": "paddleocr"}),
}
LOUD = {"QUIET": "false", "ACCESS_LOG": "all"}
QUIET: dict[str, str] = {}


def lines_of(service: str, settings: Mapping[str, str]) -> int:
    """Lines that a service and its children write for a start and ten requests."""
    environ = {f"{service.upper()}_{name}": value for name, value in settings.items()}
    with serving(service, environ) as served, httpx.Client(timeout=300) as client:
        for _ in range(REQUESTS):
            ask(client, served.url, typical(service)).raise_for_status()
        return len(served.log.read_text().splitlines())


def main(argv: Sequence[str]) -> int:
    """Count, write and print; 1 when a service misses the bar."""
    parser = argparse.ArgumentParser(prog="make bench-logs", description=__doc__.splitlines()[0])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--output", type=Path, default=RESULTS / "logs.json")
    chosen = parser.parse_args(argv)
    counted = {}
    for name in chosen.variants:
        service, settings = VARIANTS[name]
        loud, quiet = (lines_of(service, {**settings, **each}) for each in (LOUD, QUIET))
        counted[name] = {"loud": loud, "quiet": quiet, "fewer": round(1 - quiet / loud, 3)}
        print(name, counted[name], flush=True)
    report = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine_facts(),
        "requests": REQUESTS,
        "lines": counted,
    }
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text(json.dumps(report, indent=1) + "\n")
    return int(any(each["fewer"] < 0.9 for each in counted.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
