"""``make bench-whisper``: the speech service beside faster-whisper, and its parts on and off.

Random weights in the true shapes of Whisper tiny and small are built first. They say nothing
meaningful, so only speed is measured: every window is decoded to the same number of tokens, and no
window is tried again. The peer is faster-whisper itself in a pool of threads, as it comes and tuned
(``whisper_peers.py``); the service is asked over HTTP, so its upload, decoding and detector are in
its time. Variants run interleaved, texts are compared, and processor time stands beside the clock,
because it repeats on a machine that has other work too.

``ARGS="--model FOLDER"`` takes other weights; ``ARGS="--sections clips mixed"`` a part of it all.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import numpy as np

from benchmarks.places import RESULTS
from benchmarks.serving import Served, serving
from benchmarks.whisper_peers import Run, faster_whisper
from services.whisper.tests import micro_model, voice
from shared.benchmark import PeakMemory, machine_facts, percentile
from shared.cgroup import usable_cores

PATH = "/v1/audio/transcriptions"
PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE"}
SHAPES = {"tiny": micro_model.TINY, "small": micro_model.SMALL}
SERVICE = "service"
Facts = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """What all sections share."""

    folder: Path
    model: Path
    clips: list[Path]  # 5 s each
    tokens: int
    clients: int
    rounds: int
    long_minutes: int

    @contextmanager
    def served(self, **settings: object) -> Iterator[Served]:
        """The service with these settings, without a cache."""
        own = {
            "model": self.model, "device": "cpu", "max_new_tokens": self.tokens,
            "max_attempts": 1, "log_level": "warning", "cache_memory_bytes": 0,
            "compute_type": "int8", **settings,
        }  # fmt: skip
        environ = {f"WHISPER_{name.upper()}": str(value) for name, value in own.items()}
        with serving("whisper", environ) as served:
            yield served


def main(argv: Sequence[str]) -> None:
    """Measure what the arguments ask for and write the report."""
    parser = argparse.ArgumentParser(prog="make bench-whisper", description=__doc__)
    parser.add_argument("--model", type=Path, help="folder of weights; default: random, tiny shape")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--clips", type=int, default=16, help="clips of a round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=30, help="tokens of a window")
    parser.add_argument("--long-minutes", type=int, default=10)
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--output", type=Path, default=RESULTS / "whisper")
    chosen = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bench = Bench(
            folder,
            chosen.model or random_model(folder, "tiny"),
            written_clips(folder, chosen.clips),
            chosen.tokens,
            chosen.clients,
            chosen.rounds,
            chosen.long_minutes,
        )
        found = {}
        for section in chosen.sections:
            started = time.perf_counter()
            found[section] = SECTIONS[section](bench)
            sys.stdout.write(f"{section}: {time.perf_counter() - started:.0f} s\n")
            sys.stdout.flush()
    report = {
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine_facts(("ctranslate2", "faster-whisper", "onnxruntime")),
        "weights": str(chosen.model or "random, shape of Whisper tiny; speed only"),
        "n_clients": chosen.clients, "n_clips": chosen.clips, "tokens": chosen.tokens,
        "rounds": chosen.rounds, **found,
    }  # fmt: skip
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    chosen.output.with_suffix(".md").write_text(markdown(report))
    plot(report, chosen.output.with_suffix(".png"))
    sys.stdout.write(markdown(report))


def random_model(folder: Path, shape: str) -> Path:
    """Weights of a true shape that decode to the most tokens allowed."""
    return micro_model.build_random(folder / shape, shape=SHAPES[shape], is_endless=True)


def written_clips(folder: Path, count: int) -> list[Path]:
    """Clips of 5 s."""
    clips = [folder / f"{number}.wav" for number in range(count)]
    for seed, clip in enumerate(clips):
        clip.write_bytes(voice.wav(voice.speech(5, seed)))
    return clips


# Sections


def clips(bench: Bench) -> Facts:
    """Closed loop of short clips at beam 5 and greedy, tiny shape in int8."""
    return {f"beam {beam}": compared(bench, bench.model, bench.clips, beam) for beam in (5, 1)}


def small(bench: Bench) -> Facts:
    """The same for the shape of Whisper small, the default on a CPU; few clips and rounds."""
    model = random_model(bench.folder, "small")
    return {"beam 5": compared(bench, model, bench.clips[:4], 5, rounds=1, peers=("2 threads",))}


def compared(
    bench: Bench,
    model: Path,
    files: Sequence[Path],
    beam: int,
    *,
    rounds: int | None = None,
    peers: Sequence[str] | None = None,
) -> Facts:
    """faster-whisper's set-ups and the service, interleaved."""
    cores = usable_cores()
    setups: dict[str, dict[str, Any]] = {
        "as it comes": {},
        "2 threads": {"cpu_threads": cores, "environ": PASSIVE},
        "2 workers": {"cpu_threads": 1, "workers": cores, "environ": PASSIVE},
    }
    with ExitStack() as stack:
        served = stack.enter_context(bench.served(model=model, beam_size=beam))
        work: dict[str, Callable[[], Run]] = {}
        for name in peers or setups:
            peer = stack.enter_context(
                faster_whisper(
                    model, compute_type="int8", beam_size=beam, tokens=bench.tokens, **setups[name]
                )
            )
            work[f"faster-whisper, {name}"] = lambda peer=peer: peer.run(
                files, threads=bench.clients
            )
        work[SERVICE] = lambda: asked(served, files, bench.clients)
        return tabled(interleaved(work, rounds or bench.rounds), len(files))


def batching(bench: Bench) -> Facts:
    """The service with windows one by one and in batches, in the number formats of a CPU."""
    found = {}
    for compute_type in ("int8", "float32"):
        with ExitStack() as stack:
            work: dict[str, Callable[[], Run]] = {}
            for size in (1, 8):
                served = stack.enter_context(
                    bench.served(compute_type=compute_type, max_batch_size=size)
                )
                work[f"batches of {size}"] = lambda served=served: asked(
                    served, bench.clips, bench.clients
                )
            found[compute_type] = tabled(interleaved(work, bench.rounds), len(bench.clips))
    return found


def long_file(bench: Bench) -> Facts:
    """One long recording: the service beside faster-whisper one by one and in its own batches."""
    file = bench.folder / "long.wav"
    file.write_bytes(long_recording(bench.long_minutes))
    with ExitStack() as stack:
        served = stack.enter_context(bench.served())
        peer = stack.enter_context(
            faster_whisper(
                bench.model, compute_type="int8", beam_size=5, tokens=bench.tokens,
                cpu_threads=usable_cores(), environ=PASSIVE,
            )
        )  # fmt: skip
        work: dict[str, Callable[[], Run]] = {
            "faster-whisper": lambda: peer.run([file], threads=1),
            "faster-whisper, batched": lambda: peer.run([file], threads=1, batched=True),
            SERVICE: lambda: asked(served, [file], 1),
        }
        peer.run(bench.clips[:1], threads=1)
        asked(served, bench.clips[:1], 1)
        facts = tabled({name: [each()] for name, each in work.items()}, 1)
    for row in facts["variants"].values():
        row["real_time_factor"] = round(60 * bench.long_minutes / row["median_s"], 1)
    return facts


def mixed(bench: Bench) -> Facts:
    """Short clips alone, and beside a long recording."""
    long, short = long_recording(bench.long_minutes), bench.clips[0].read_bytes()
    with bench.served() as served:
        return asyncio.run(_mixed(served.url, long, short))


async def _mixed(url: str, long: bytes, short: bytes) -> Facts:
    async with httpx.AsyncClient(base_url=url, timeout=3600) as client:
        await _timed(client, short)
        alone = [await _timed(client, short) for _ in range(20)]
        work = asyncio.ensure_future(_timed(client, long))
        beside = []
        while not work.done():
            beside.append(await _timed(client, short))
        return {
            "short_alone_p95_ms": round(1000 * percentile(alone, 0.95), 1),
            "short_beside_long_p95_ms": round(1000 * percentile(beside, 0.95), 1),
            "shorts_beside_long": len(beside),
            "long_beside_shorts_s": round(await work, 2),
        }


def cache(bench: Bench) -> Facts:
    """A recording of 35 s, cold and known."""
    files = [voice.wav(np.tile(voice.speech(7, seed), 5)) for seed in range(4)]
    with bench.served(cache_memory_bytes=64 * 2**20) as served, httpx.Client() as client:

        def spent_ms(file: bytes, **fields: str) -> float:
            started = time.perf_counter()
            answer = client.post(
                served.url + PATH, files={"file": ("a", file)}, data=fields, timeout=600
            )
            answer.raise_for_status()
            return (time.perf_counter() - started) * 1000

        spent_ms(files[0])
        cold = [spent_ms(file) for file in files[1:]]
        hits = [spent_ms(file) for file in files * 5]
        other = [spent_ms(file, response_format="verbose_json") for file in files * 5]
    return {
        "cold_ms": round(median(cold), 1),
        "hit_ms": round(median(hits), 2),
        "hit_other_format_ms": round(median(other), 2),
        "times_as_fast": round(median(cold) / median(hits), 1),
    }


def scenarios(bench: Bench) -> Facts:
    """One long file, ten files, many short files: time, throughput, memory, use of the cores."""
    ten = []
    for seed in range(10):
        ten.append(bench.folder / f"ten{seed}.wav")
        ten[-1].write_bytes(voice.wav(np.tile(voice.speech(6, seed), 5)))
    long = bench.folder / "scenario.wav"
    long.write_bytes(long_recording(bench.long_minutes))
    sets = {
        f"one file of {bench.long_minutes} min": ([long], 60.0 * bench.long_minutes),
        "10 files of 30 s": (ten, 300.0),
        f"{3 * len(bench.clips)} files of 5 s": (bench.clips * 3, 5.0 * 3 * len(bench.clips)),
    }
    found: Facts = {}
    with bench.served() as served:
        asked(served, bench.clips[:2], 2)
        for name, (files, audio_s) in sets.items():
            with PeakMemory(served.process) as memory:
                run = asked(served, files, bench.clients)
            found[name] = {
                "spent_s": round(run.spent_s, 2),
                "real_time_factor": round(audio_s / run.spent_s, 1),
                "core_utilisation": round(run.cpu_s / run.spent_s / usable_cores(), 2),
                "peak_mib": round(memory.peak_bytes / 2**20),
            }
    return found


SECTIONS: dict[str, Callable[[Bench], Facts]] = {
    "clips": clips, "batching": batching, "long_file": long_file, "mixed": mixed,
    "cache": cache, "scenarios": scenarios, "small": small,
}  # fmt: skip


# How it is measured


def long_recording(minutes: int) -> bytes:
    """Sentences of 5.2 s with pauses of 0.8 s, so that windows can be filled."""
    sentences = [np.append(voice.speech(5.2, seed), voice.silence(0.8)) for seed in range(10)]
    return voice.wav(np.tile(np.concatenate(sentences), minutes))


def interleaved(work: Mapping[str, Callable[[], Run]], rounds: int) -> dict[str, list[Run]]:
    """Run every variant in each round; the first round warms up and does not count."""
    runs: dict[str, list[Run]] = {name: [] for name in work}
    for number in range(rounds + 1):
        for name, run in work.items():
            done = run()
            if number:
                runs[name].append(done)
    return runs


def tabled(runs: Mapping[str, Sequence[Run]], items: int) -> Facts:
    """Times of each variant, the last one's ratio to the best of the others, and equal texts."""
    *others, own = runs
    variants = {
        name: {
            "median_s": round(median(each.spent_s for each in done), 3),
            "items_per_s": round(items / median(each.spent_s for each in done), 2),
            "cpu_s_per_item": round(median(each.cpu_s for each in done) / items, 3),
            "rounds_s": [round(each.spent_s, 3) for each in done],
            "texts_equal": _equal_share(done[0].texts, runs[own][0].texts),
        }
        for name, done in runs.items()
    }
    best = min(others, key=lambda name: float(variants[name]["median_s"]))
    ratios = [
        other.spent_s / mine.spent_s for other, mine in zip(runs[best], runs[own], strict=True)
    ]
    cpu = min(variants[name]["cpu_s_per_item"] for name in others)
    return {
        "variants": variants,
        "best_other": best,
        "times_as_fast": round(median(ratios), 2),
        "times_as_fast_range": [round(min(ratios), 2), round(max(ratios), 2)],
        "times_as_fast_by_processor_time": round(cpu / variants[own]["cpu_s_per_item"], 2),
        "times_as_fast_as_first": round(
            variants[others[0]]["median_s"] / variants[own]["median_s"], 2
        ),
    }


def _equal_share(texts: Sequence[str], others: Sequence[str]) -> float:
    return round(float(np.mean([a == b for a, b in zip(texts, others, strict=True)])), 3)


def asked(served: Served, files: Sequence[Path], clients: int) -> Run:
    """Send the files, ``clients`` at a time, each waiting for its answer."""

    async def run() -> list[str]:
        slots = asyncio.Semaphore(clients)
        async with httpx.AsyncClient(base_url=served.url, timeout=3600) as client:

            async def one(file: Path) -> str:
                async with slots:
                    content = await asyncio.to_thread(file.read_bytes)
                    answer = await client.post(
                        PATH,
                        files={"file": ("a.wav", content)},
                        data={"language": "en", "vad": str(len(content) > 2**20)},
                        headers={"X-Request-Timeout-Ms": "3600000"},
                    )
                    return str(answer.raise_for_status().json()["text"])

            return list(await asyncio.gather(*(one(file) for file in files)))

    cpu, started = served.cpu_s(), time.perf_counter()
    texts = asyncio.run(run())
    return Run(texts, time.perf_counter() - started, served.cpu_s() - cpu)


async def _timed(client: httpx.AsyncClient, audio: bytes) -> float:
    started = time.perf_counter()
    answer = await client.post(PATH, files={"file": ("a.wav", audio)}, data={"language": "en"})
    answer.raise_for_status()
    return time.perf_counter() - started


# How it is told


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
        ("batching", "service with and without batches, beam 5"),
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


if __name__ == "__main__":
    main(sys.argv[1:])
