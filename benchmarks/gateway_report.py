"""The figures of ``bench_gateway`` as a page and as a plot."""

import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def machine() -> str:
    """What is measured on."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    found = re.search(r"model name\s*: (.+)", cpuinfo)
    processor = found.group(1) if found else platform.machine()
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}"


def markdown(report: Mapping[str, Any]) -> str:
    """The report as a page."""
    lines = [
        "# The gateway beside nginx and FastAPI + httpx",
        "",
        f"`make bench-gateway`, {report['date']}. {report['machine']}; load average "
        f"{report['load_average_before']} before, {report['load_average_after']} after. "
        f"{report['rounds']} interleaved rounds of {report['seconds']} s, medians and ranges. Each "
        "proxy is one process on one core; the service (nginx) and wrk share the other. Access "
        "logs are off. " + _of_litellm(report["litellm"]),
    ]
    for found in report["results"]:
        lines += ["", f"## {found['scenario']}", ""]
        lines += _frame_rows(found) if "median" not in found else _proxy_rows(found)
    return "\n".join([*lines, ""])


def _of_litellm(version: str | None) -> str:
    if version is None:
        return "LiteLLM was not installed and is missing from the last table."
    return f"LiteLLM {version} takes part in the scenario that it can serve."


def _proxy_rows(found: Mapping[str, Any]) -> list[str]:
    rows = [
        "| proxy | requests/s (range) | gateway is | p50 ms | added p50 ms | p99 ms "
        "| CPU us a request | RSS MiB | failed |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, each in found["median"].items():
        low, high = found["rate_range"][name]
        ratio = found["gateway_to"].get(name)
        rows.append(
            f"| {name} | {each['requests_per_s']:.0f} ({low:.0f} to {high:.0f}) "
            f"| {f'{ratio}x' if ratio else ''} | {each['p50_ms']:.2f} "
            f"| {found['added_p50_ms'].get(name, '')} | {each['p99_ms']:.2f} "
            f"| {each['cpu_us_per_request']:.0f} | {each['rss_mb']:.0f} | {each['failures']:.0f} |"
        )
    return rows


def _frame_rows(found: Mapping[str, Any]) -> list[str]:
    rows = ["| way | frames | gap p50 ms | gap p99 ms |", "|---|---|---|---|"]
    for name in ("direct", "gateway"):
        each = found[name]
        rows.append(f"| {name} | {each['frames']} | {each['gap_p50_ms']} | {each['gap_p99_ms']} |")
    return rows


def plot(report: Mapping[str, Any], path: Path) -> None:
    """Rates and CPU times as bars."""
    import matplotlib as mpl  # noqa: PLC0415 - slow to load, and only needed here

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    found = [each for each in report["results"] if "median" in each]
    figure, axes = plt.subplots(2, len(found), figsize=(4 * len(found), 6), squeeze=False)
    for column, each in enumerate(found):
        names = [name for name in each["median"] if name != "direct"]
        for row, (key, title) in enumerate(
            (("requests_per_s", "requests/s"), ("cpu_us_per_request", "CPU us a request"))
        ):
            axis = axes[row][column]
            values = [each["median"][name][key] for name in names]
            bars = axis.bar(names, values, color=["C0" if n == "gateway" else "C7" for n in names])
            axis.bar_label(bars, fmt="%.0f", fontsize=8)
            axis.set_yscale("log")
            axis.set_title(f"{each['scenario']}\n{title}" if row == 0 else title, fontsize=9)
            axis.tick_params(axis="x", labelsize=8, rotation=15)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
