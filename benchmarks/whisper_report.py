"""The figures of ``bench_whisper`` as a page and as a plot."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def markdown(report: Mapping[str, Any]) -> str:
    """The report as Markdown."""
    machine = report["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        "# whisper",
        "",
        f"{machine['processor']}, {machine['cores']} cores, load {machine['load']}; {versions}; "
        f"{report['measured_at']}. Weights: {report['weights']}; {report['tokens']} tokens a "
        f"window, one attempt; {report['n_clients']} clients, {report['rounds']} rounds.",
    ]
    for section, title in (
        ("clips", "clips of 5 s, tiny shape, int8"), ("small", "clips of 5 s, small shape, int8"),
        ("batching", "service, replicas and batches, beam 5"),
    ):  # fmt: skip
        for name, facts in report.get(section, {}).items():
            lines += ["", f"## {title}: {name}", "", *_variants(facts)]
    if "long_file" in report:
        lines += ["", "## one long file, beam 5, int8", "", *_variants(report["long_file"])]
    for section, title in (
        ("mixed", "short clips beside a long file"), ("cache", "35 s, cold and known"),
    ):  # fmt: skip
        if section in report:
            lines += ["", f"## {title}", "", "| what | value |", "|---|---|"]
            lines += [f"| {name} | {value} |" for name, value in report[section].items()]
    if "scenarios" in report:
        lines += ["", "## scenarios, service alone", "",
                  "| what | s | real-time factor | use of the cores | peak MiB |",
                  "|---|---|---|---|---|"]  # fmt: skip
        lines += [
            f"| {name} | {each['spent_s']} | {each['real_time_factor']} "
            f"| {each['core_utilisation']:.0%} | {each['peak_mib']} |"
            for name, each in report["scenarios"].items()
        ]
    return "\n".join([*lines, ""])


def _variants(facts: Mapping[str, Any]) -> list[str]:
    low, high = facts["times_as_fast_range"]
    lines = [
        "| variant | s | files/s | processor s a file | same texts |",
        "|---|---|---|---|---|",
    ]
    for name, each in facts["variants"].items():
        factor = f" (real-time factor {f})" if (f := each.get("real_time_factor")) else ""
        lines.append(
            f"| {name} | {each['median_s']}{factor} | {each['items_per_s']} "
            f"| {each['cpu_s_per_item']} | {each['texts_equal']:.0%} |"
        )
    return [
        *lines,
        "",
        f"The last is {facts['times_as_fast']} times ({low} to {high}) as fast as the best other "
        f"({facts['best_other']}), {facts['times_as_fast_by_processor_time']} times by processor "
        f"time, {facts['times_as_fast_as_first']} times as fast as the first.",
    ]


def plot(report: Mapping[str, Any], path: Path) -> None:
    """Files a second of each variant, where matplotlib is installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:  # pip install matplotlib; the figures themselves are in the JSON
        return
    groups = {
        f"{section}, {name}": facts["variants"]
        for section in ("clips", "batching", "small")
        for name, facts in report.get(section, {}).items()
    }
    if not groups:
        return
    figure = Figure(figsize=(8, 1.6 * len(groups) + 0.8), layout="constrained")
    for axes, (title, variants) in zip(
        np.atleast_1d(figure.subplots(len(groups), 1)), groups.items(), strict=True
    ):
        names = list(variants)[::-1]
        axes.barh(names, [variants[name]["items_per_s"] for name in names])
        axes.set_title(title, fontsize=9, loc="left")
        axes.tick_params(labelsize=8)
    axes.set_xlabel("files a second")
    figure.savefig(path, dpi=110)
