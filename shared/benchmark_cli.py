"""``python -m shared.benchmark``: compare servers, commands, or a service and its switches.

::

    python -m shared.benchmark show benchmarks/results/name.json
    python -m shared.benchmark urls http://a:8000 http://b:8000 --file page.png
    python -m shared.benchmark commands "python a.py" "python b.py"
    python -m shared.benchmark service whisper --file talk.wav --switch WHISPER_OPTIMIZED=false
    python -m shared.benchmark service ocr --file page.png          # where its time goes

The first target is the baseline; a service without its switch is that. Rounds are interleaved, so
that a busy machine slows all alike. Results are written as JSON, Markdown and, where matplotlib is
installed, PNG.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import psutil

from shared.benchmark import PerformanceBenchmarker, Report, Rounds, Subject, Work
from shared.benchmark_targets import (
    BenchmarkError,
    CommandWork,
    HttpWork,
    Served,
    request_to,
    serving,
)

AS_IT_COMES = "as it comes"


def main(argv: Sequence[str]) -> int:
    """Do what the arguments say; 2 with one sentence when it cannot be done."""
    chosen = parser().parse_args(argv)
    try:
        if chosen.what == "show":
            for each in chosen.reports:
                sys.stdout.write(Report.load(each).markdown())
            return 0
        with ExitStack() as stack:
            report = measure(chosen, stack)
    except (BenchmarkError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    report.save(chosen.output, chosen.name)
    sys.stdout.write(report.markdown())
    return 0


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    main_parser = argparse.ArgumentParser(
        prog="python -m shared.benchmark",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = main_parser.add_subparsers(dest="what", required=True)
    show = kinds.add_parser("show", help="print stored reports")
    show.add_argument("reports", nargs="+", type=Path)
    urls = kinds.add_parser("urls", help="compare servers")
    urls.add_argument("targets", nargs="+", help="address, without a path")
    commands = kinds.add_parser("commands", help="compare commands")
    commands.add_argument("targets", nargs="+", help="a command line, quoted")
    service = kinds.add_parser("service", help="a service of this tree, with and without switches")
    service.add_argument("service")
    service.add_argument(
        "--switch", action="append", default=[], metavar="NAME=VALUE", help="another variant each"
    )
    service.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="setting of all variants"
    )
    for each in (urls, service):
        each.add_argument("--path", help="where to send; default: the first path of /info")
        each.add_argument("--file", type=Path, help="sent as the form field `file`")
        each.add_argument("--field", action="append", default=[], metavar="NAME=VALUE")
        each.add_argument("--json", help="sent instead of a file")
        each.add_argument("--requests", type=int, default=1, help="in a round")
        each.add_argument("--clients", type=int, default=1, help="at the same time")
    for each in (urls, commands, service):
        each.add_argument("--rounds", type=int, default=10)
        each.add_argument("--warm-up", type=int, default=2)
        each.add_argument("--name", default="comparison", help="of the report's files")
        each.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    return main_parser


def measure(chosen: argparse.Namespace, stack: ExitStack) -> Report:
    """Prepare the variants and compare them; what is started ends with ``stack``."""
    works: dict[str, Work] = {}
    processes: dict[str, psutil.Process] = {}
    if chosen.what == "commands":
        works = {each: CommandWork(each) for each in chosen.targets}
        subject = Subject(chosen.name, "as the commands say", "as the commands say", "1", "none")
    elif chosen.what == "urls":
        works = {each: _http_work(each, chosen) for each in chosen.targets}
        subject = _subject(chosen, device="of the servers", weights="of the servers")
    else:
        served = _start_variants(chosen, stack)
        works = {name: _http_work(each.url, chosen) for name, each in served.items()}
        processes = {name: each.process for name, each in served.items()}
        subject = _subject(chosen, **_model_facts(next(iter(served.values()))))
    rounds = Rounds(chosen.warm_up, chosen.rounds)
    report = PerformanceBenchmarker(subject, rounds).compare(works, processes=processes)
    report.notes.extend(_cache_notes(works))
    return report


def _start_variants(chosen: argparse.Namespace, stack: ExitStack) -> dict[str, Served]:
    common = dict(_pair(each) for each in chosen.set)
    variants: dict[str, Mapping[str, str]] = {AS_IT_COMES: common}
    for each in chosen.switch:
        variants[each] = {**common, **dict([_pair(each)])}
    return {
        name: stack.enter_context(serving(chosen.service, environ))
        for name, environ in variants.items()
    }


def _http_work(url: str, chosen: argparse.Namespace) -> HttpWork:
    payload = chosen.field if chosen.file else [chosen.json] * (chosen.json is not None)
    request = request_to(url.rstrip("/"), chosen.path, payload, chosen.file)
    return HttpWork(url.rstrip("/"), request, chosen.requests, chosen.clients)


def _subject(chosen: argparse.Namespace, *, device: str, weights: str) -> Subject:
    sent = chosen.file.name if chosen.file else "JSON"
    batch = f"{chosen.requests} requests a round by {chosen.clients} clients"
    return Subject(chosen.name, device=device, weights=weights, batch=batch, input=sent)


def _model_facts(served: Served) -> dict[str, str]:
    import httpx

    models = httpx.get(f"{served.url}/info", timeout=30).json().get("models", [])
    return {
        "device": ", ".join(sorted({str(each.get("device")) for each in models})) or "unknown",
        "weights": ", ".join(sorted({str(each.get("id")) for each in models})) or "unknown",
    }


def _cache_notes(works: Mapping[str, Work]) -> list[str]:
    """A comparison of remembered answers says nothing about the model: say so."""
    return [
        f"{name}: {work.from_cache} of {work.answered} answers came from a cache."
        for name, work in works.items()
        if isinstance(work, HttpWork) and work.from_cache
    ]


def _pair(text: str) -> tuple[str, str]:
    name, is_pair, value = text.partition("=")
    if not is_pair:
        raise BenchmarkError(f"{text}: expected NAME=VALUE")
    return name, value
