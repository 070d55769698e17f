"""The figures as Markdown and as a plot."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

SHOWN = {
    "gantry": "Gantry",
    "gantry, unbatched": "Gantry, batches of 1",
    "fastapi": "plain FastAPI",
    "litserve": "LitServe",
    "bentoml": "BentoML",
    "mosec": "Mosec",
    "look-up": "uvicorn without a model (a table of the answers)",
}


def markdown(report: Mapping[str, Any]) -> str:
    """The whole report."""
    machine = report["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    lines = [
        "# Batching: Gantry beside other servers",
        "",
        f"`make bench-batching`, {report['measured_at']}. {machine['processor']}, "
        f"{machine['cores']} cores shared by servers and client, Python {machine['python']}; load "
        f"average {report['load_before']} before, {report['load_after']} after. {versions}.",
        "",
        f"{report['repeats']} interleaved repeats of {report['seconds']} s in shuffled order; "
        "medians, and lowest to highest. One worker process each unless said, access logs off, "
        "answers compared with golden ones during load. The client (wrk, one thread) shares the "
        "cores, and so does whatever else the machine does: where the load average is high, a "
        "server of several processes gets more of it than one of a single process. CPU time an "
        "answer depends on that less.",
        "",
        "“uvicorn without a model” answers from a table: what is left is HTTP in Python over ASGI. "
        "Gantry's predictions go past ASGI, from the parser to the batcher and back.",
    ]
    for title, rows in report["loads"].items():
        lines += ["", f"## {title}", "", *_load_table(rows)]
    lines += ["", "## Sweep of the peers (32 clients, answers/s)", "", *_sweep_table(report)]
    if report["faults"]:
        lines += ["", "## Faults: good requests that survive", "", *_fault_table(report["faults"])]
    return "\n".join([*lines, ""])


def _load_table(rows: Mapping[str, Sequence[Mapping[str, float]]]) -> list[str]:
    lines = [
        "| server | answers/s (range) | p50 ms | p95 ms | p99 ms | CPU us an answer | failed "
        "| Gantry is |",
        "|---|---|---|---|---|---|---|---|",
    ]
    ours = rows["gantry"]
    for name, samples in rows.items():
        rates = [each["requests_per_s"] for each in samples]
        ratios = sorted(
            mine["requests_per_s"] / other if other else 0.0
            for mine, other in zip(ours, rates, strict=True)
        )
        times = " | ".join(
            f"{median(each[key] for each in samples):.2f}" for key in ("p50_ms", "p95_ms", "p99_ms")
        )
        cpu_us = median(each["cpu_us"] for each in samples)
        failed = sum(int(each["failed"]) for each in samples)
        ratio = (
            f"{median(ratios):.2f}x ({ratios[0]:.2f} to {ratios[-1]:.2f})" if min(rates) else "-"
        )
        lines.append(
            f"| {SHOWN[name]} | {median(rates):.0f} ({min(rates):.0f} to {max(rates):.0f}) "
            f"| {times} | {cpu_us:.0f} | {failed} | {'' if name == 'gantry' else ratio} |"
        )
    return lines


def _sweep_table(report: Mapping[str, Any]) -> list[str]:
    lines = [
        "| work | server | processes | batch | wait ms | answers/s | p50 ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in report["sweep"]:
        marks = (" (default)" if each["is_default"] else "") + (" **best**" if each["best"] else "")
        setting = f"{each.get('workers', 1)} | {each['max_batch']} | {each['wait_ms']:g}{marks}"
        found = f"{each['requests_per_s']:.0f} | {each['p50_ms']:.1f}"
        lines.append(f"| {each['work']} | {SHOWN[each['server']]} | {setting} | {found} |")
    return lines


def _fault_table(faults: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    names = list(faults)
    lines = [
        "| fault | " + " | ".join(SHOWN[name] for name in names) + " |",
        "|---|" + "---|" * len(names),
    ]
    for fault in faults[names[0]]:
        cells = [_fault_cell(faults[name][fault]) for name in names]
        lines.append(f"| {fault} | " + " | ".join(cells) + " |")
    return lines


def _fault_cell(result: Mapping[str, Any]) -> str:
    recovery = result["recovery_s"]
    again = "not well again within 10 s" if recovery is None else f"well again after {recovery} s"
    share = min(1.0, result["survived"] / result["good"])
    parts = [f"**{share:.0%}** ({result['survived']} of {result['good']})", again, result["note"]]
    return "; ".join(part for part in parts if part)


def plot(report: Mapping[str, Any], path: Path) -> None:
    """Bars of the median rates, a panel for each load."""
    from matplotlib.figure import Figure

    loads = report["loads"]
    figure = Figure(figsize=(9, 2.2 * len(loads)), layout="constrained")
    panels = figure.subplots(len(loads), squeeze=False)
    for axes, (title, rows) in zip(panels[:, 0], loads.items(), strict=True):
        names = list(rows)[::-1]
        rates = [[each["requests_per_s"] for each in rows[name]] for name in names]
        middles = [median(each) for each in rates]
        spread = [
            [middle - min(each) for middle, each in zip(middles, rates, strict=True)],
            [max(each) - middle for middle, each in zip(middles, rates, strict=True)],
        ]
        axes.barh([SHOWN[name] for name in names], middles, xerr=spread, color="#4477aa")
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("answers/s", fontsize=8)
    figure.savefig(path, dpi=110)
