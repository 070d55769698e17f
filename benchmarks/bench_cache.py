"""What remembered results are worth, and that a kill costs none: ``make bench-cache``.

Each service is started as it comes and asked over HTTP, one request at a time. Cold requests carry
content that was never seen; each is followed by repetitions of the same bytes and by the same
content in another file. Then requests are drawn with Zipf's law from a few contents: how many of
those that could be known are. Services that remember nothing are named and left out.

``ARGS="--kills 100"`` instead kills a process with SIGKILL in the midst of writing to the cache's
folder, again and again, and reads everything back after each kill: an entry may be missing, never
wrong.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from benchmarks.places import RESULTS
from benchmarks.samples import PATHS, Sample, recoded, varied
from benchmarks.serving import Served, ask, serving
from shared.benchmark import machine_facts, percentile
from shared.cache import CacheLimits, DiskLevel, ResultCache, digest

SPEED_UP_BAR, HIT_P50_BAR_MS = 100.0, 5.0
WITH_BAR = ("ocr", "whisper")  # pages and speech of 30 s
SECRET = b"a secret of this benchmark alone"
KEYS = 24
WRITES_AT_ONCE = 6
WRITER = "from benchmarks.bench_cache import write_forever; write_forever()"


def main(argv: Sequence[str]) -> int:
    """Measure services, or kill writers; 1 when a bar is missed or an answer was wrong."""
    parser = argparse.ArgumentParser(prog="make bench-cache", description=__doc__.splitlines()[0])
    parser.add_argument("--services", nargs="+", default=sorted(PATHS), choices=sorted(PATHS))
    parser.add_argument("--cold", type=int, default=3, help="requests with new content")
    parser.add_argument("--hits", type=int, default=20, help="repetitions of each")
    parser.add_argument("--drawn", type=int, default=40, help="requests drawn with Zipf's law")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--output", type=Path, default=RESULTS)
    chosen = parser.parse_args(argv)
    report: dict[str, Any] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine_facts(),
    }
    chosen.output.mkdir(parents=True, exist_ok=True)
    if chosen.kills:
        report["kills"] = kill_writers(chosen.kills)
        (chosen.output / "cache_kills.json").write_text(json.dumps(report, indent=1) + "\n")
        print(json.dumps(report["kills"], indent=1))
        return int(report["kills"]["wrong"] > 0)
    report["services"] = {name: measure(name, chosen) for name in chosen.services}
    (chosen.output / "cache.json").write_text(json.dumps(report, indent=1) + "\n")
    (chosen.output / "cache.md").write_text(markdown(report))
    print(markdown(report))
    return int(any(not each.get("meets_bars", True) for each in report["services"].values()))


# Services


def measure(service: str, chosen: argparse.Namespace) -> dict[str, Any]:
    """One service: cold, repeated, in another file, and under repeating load."""
    with serving(service) as served, httpx.Client(timeout=600) as client:
        first = varied(service, 0)
        timed(client, served, first)
        if timed(client, served, first)[1] == "off":
            return {"remembers": False}
        kinds: dict[str, list[float]] = {"cold": [], "hit": [], "other file": []}
        cpu_ms: dict[str, list[float]] = {kind: [] for kind in kinds}
        found: Counter[str] = Counter()
        for number in range(1, chosen.cold + 1):
            sample = varied(service, number)
            asked = [("cold", sample)] + [("hit", sample)] * chosen.hits
            for kind, each in [*asked, ("other file", recoded(sample))]:
                before_s = served.cpu_s()
                duration_ms, cache = timed(client, served, each)
                cpu_ms[kind].append((served.cpu_s() - before_s) * 1000)
                kinds[kind].append(duration_ms)
                found[f"{kind}: {cache}"] += 1
        drawn = repeating_load(client, served, chosen.drawn)
    cold, hit = statistics.median(kinds["cold"]), statistics.median(kinds["hit"])
    result = {
        "remembers": True,
        "cold_ms": round(cold, 2),
        "hit_p50_ms": round(hit, 2),
        "hit_p95_ms": round(percentile(kinds["hit"], 0.95), 2),
        "other_file_ms": round(statistics.median(kinds["other file"]), 2),
        "speed_up": round(cold / hit, 1),
        "cpu_ms": {kind: round(statistics.mean(times), 2) for kind, times in cpu_ms.items()},
        "found": dict(found),
        **drawn,
    }
    if service in WITH_BAR:
        result["meets_bars"] = cold / hit >= SPEED_UP_BAR and hit <= HIT_P50_BAR_MS
    return result


def timed(client: httpx.Client, served: Served, sample: Sample) -> tuple[float, str]:
    """Time of a request in ms, and where its result came from."""
    started = time.perf_counter()
    answer = ask(client, served.url, sample)
    duration_ms = (time.perf_counter() - started) * 1000
    answer.raise_for_status()
    return duration_ms, answer.headers.get("x-cache", "off")


def repeating_load(client: httpx.Client, served: Served, requests: int) -> dict[str, float]:
    """Requests for a few contents, some asked for far more often than others."""
    contents = [varied(served.service, 1000 + number) for number in range(max(2, requests // 8))]
    weights = [1 / (1 + rank) for rank in range(len(contents))]
    drawn = random.Random(1).choices(range(len(contents)), weights, k=requests)
    hits = sum(timed(client, served, contents[each])[1].startswith("hit") for each in drawn)
    could = requests - len(set(drawn))
    return {
        "drawn": requests,
        "hit_ratio": round(hits / requests, 3),
        "best_hit_ratio": round(could / requests, 3),  # all but the first of each content
    }


def markdown(report: dict[str, Any]) -> str:
    """The figures as a table."""
    machine = report["machine"]
    lines = [
        "# Remembered results",
        "",
        "Over HTTP, one client; whisper: 30 s of speech, ocr: a page of Korean and English, "
        "yolo: a drawing.",
        f"{machine['processor']}, {machine['cores']} cores; load {machine['load']}; "
        f"{report['measured_at']}.",
        "",
        "| service | cold, ms | hit p50, ms | hit p95, ms | same content in another file, ms | "
        "times as fast | processor time of a hit, ms | hits under repeating load (possible) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, each in report["services"].items():
        if not each["remembers"]:
            lines.append(f"| {name} | remembers nothing | | | | | | |")
            continue
        lines.append(
            f"| {name} | {each['cold_ms']:g} | {each['hit_p50_ms']:g} | {each['hit_p95_ms']:g} | "
            f"{each['other_file_ms']:g} | {each['speed_up']:g} | {each['cpu_ms']['hit']:g} | "
            f"{each['hit_ratio']:.0%} "
            f"({each['best_hit_ratio']:.0%}) |"
        )
    return "\n".join([*lines, ""])


# Kills


def kill_writers(kills: int) -> dict[str, int]:
    """Kill a writer again and again, and judge all that can be read after each kill."""
    chance = random.Random(7)
    seen: Counter[str] = Counter(kills=0, right=0, missing=0, wrong=0)
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(kills):
            environ = {**os.environ, "BENCH_CACHE_DIR": folder}
            with subprocess.Popen(
                [sys.executable, "-c", WRITER], env=environ, stdout=subprocess.PIPE
            ) as writer:
                assert writer.stdout is not None
                writer.stdout.readline()  # the first results are written
                time.sleep(chance.uniform(0, 0.1))
                writer.kill()
            seen["kills"] += 1
            seen.update(asyncio.run(judge_all(Path(folder))))
        seen["unfinished_files_left"] = len(list(Path(folder).glob("*/*.part")))
    return dict(seen)


async def judge_all(folder: Path) -> Counter[str]:
    """Read every key as a process that has just started would."""
    cache = cache_in(folder)
    seen: Counter[str] = Counter()
    for number in range(KEYS):
        found = await cache.get(digest("entry", number))
        if found is None:
            seen["missing"] += 1
        else:
            seen["right" if is_right(number, found[0]) else "wrong"] += 1
    return seen


def write_forever() -> None:
    """Write results of all sizes until killed."""

    async def main() -> None:
        cache = cache_in(Path(os.environ["BENCH_CACHE_DIR"]))
        round_number = 0
        while True:
            for start in range(0, KEYS, WRITES_AT_ONCE):
                numbers = range(start, start + WRITES_AT_ONCE)
                values = [value_of(number, round_number) for number in numbers]
                keys = [digest("entry", number) for number in numbers]
                await asyncio.gather(*map(cache.put, keys, values))
                if not round_number and not start:
                    print("writing", flush=True)
            round_number += 1

    asyncio.run(main())


def cache_in(folder: Path) -> ResultCache:
    """A cache without a memory level to hide behind."""
    limits = CacheLimits(memory_bytes=0)
    return ResultCache(limits, secret=SECRET, second=DiskLevel(folder, limits))


def value_of(number: int, round_number: int) -> list[Any]:
    """What is stored under a key: its number, the round, and 1 kB to 4 MB that repeat both."""
    return [number, round_number, f"{number:7}{round_number:9}" * (64 << (number % 13))]


def is_right(number: int, value: Any) -> bool:  # noqa: ANN401 - whatever was read
    """Whether a value is one that was written under this key."""
    return bool(value == value_of(number, value[1]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
